"""The functions of AWS Lambda, one module each: `handler` is what Lambda calls.

A module here makes what a handler of `bellwire.handlers` works with, once for each instance of its
function, from the names in `settings`; it decides nothing else.
"""
