"""The update log in a SQL database; the only package that imports SQLAlchemy."""
