"""Projects of other migration tools taken over: their files converted, their history read. One module per tool."""
