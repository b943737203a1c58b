"""The update log and presence in a SQL database; the only package that imports SQLAlchemy."""
