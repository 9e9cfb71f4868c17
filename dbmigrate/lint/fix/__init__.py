"""From unsafe to safe: rewrites statements that `lint` finds into sequences that block nobody for long.

The text is edited, never printed from what was parsed: `pieces` cuts a file into statements with the comments that
belong to them; the modules named `forms_*` know the forms, one function each; `sections` puts the steps together, and
says where a section must stay whole; `file` does it for one file. All of that is pure. `facts` reads from a scratch
database what a text does not say: the names that the server gives, what is partitioned, which columns may be NULL.
`run` has `proof` run the original and the rewritten file there: what does not end in the same catalog is not offered.
"""
