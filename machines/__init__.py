"""Makes, stops and removes clusters with tools of the user's: minikube, kind, Podman's machine.

    python3 -m machines up | start | stop | down | status | forget

What to make comes in the environment, so that no value of a stack file ever reaches a shell:

    LLMD_CLUSTER_ROOT      folder of the cluster
    LLMD_CLUSTER_SETTINGS  JSON as `settings.Settings` has it; only `up` reads it
    LLMD_CLUSTER_RETAIN    for once: nothing, stopped or running, whatever the settings say

    settings ---> lifecycle ---> podman, minikube, kind ---> tool ---> leash
     what          what is to     what a tool is asked,       runs      ends it when
                   be done        what it answers             it        we are ended

Standard library only. Whatever is made is written down before it is begun (`record.py`): a run that
is killed leaves nothing that the next one does not find, and what is not written down is not
touched.
"""
