"""Stand-in for the provider binary `pulumi-resource-command`, for machines that cannot have it.

`provider` answers the engine, `arguments` reads what it sends, `process` runs the command,
`warden` holds its session, `narration` tells the engine what it prints.
"""
