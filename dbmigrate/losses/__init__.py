"""What migrations destroy: found in their text, counted by the target's statistics, saved where that is asked for.

`report` says it before a run and in a dry run; `salvage` saves it in the migration's own transaction, and `restoring`
writes the SQL that brings it back.
"""
