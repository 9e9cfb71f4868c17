"""`new --pattern`: writes the files of a change that a running application survives.

A pattern is a function from the schema, as the project's migrations make it on a scratch database (`schema`), and its
arguments to files (`values`): one, or two with a deployment of the application between them. `write` runs what was
written beside the plain change on scratch databases; files that do not end in the same schema are not offered.
"""
