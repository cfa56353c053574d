"""Mailpit's REST API and websocket, and what goes beyond them, over the store.

`endpoint` names each one, `description` lists them all; routes and the OpenAPI document are made of
that list. What is served to a browser is hostile mail: `access` says who may ask, `safe` how it is
sent.
"""
