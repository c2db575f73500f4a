"""A vLLM server without a model or an accelerator: real API, real scheduling, simulated steps.

    HTTP --api--> Ask --tokens--> Request --engine--> Batch --device--> seconds
                                     ^                  |
                                     +---- server ------+   (the one place with a clock)

`engine` and `blocks` decide as vLLM V1 does who computes what in a step; `device` says how long the
step takes, from published measurements. What comes out shows what queues and caches do to latency;
it is no measurement of a GPU.
"""
