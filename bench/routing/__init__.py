"""What a choice of replica does to latency and throughput, on simulated model servers.

    .venv/bin/python -m bench.routing [--short]

    parameters --workload--> requests --client--> answers --figures--> Figures --report--> table,
      fixed                  seeded                 |                                  JSON, charts
                                                 servers' counters

The servers are this project's simulator, everything before them is real: the endpoint picker, Envoy
and the objects that this project's program deploys. The figures say what routing does to a queue
and to a KV cache; they are no measurement of a GPU. `docs/routing.md` reads them.

guidellm, aiperf and inference-perf were considered for the load. They bring 97, 139 and 78 packages
(torch and transformers among them), need a model's tokenizer from Hugging Face, and the last needs
Python 3.12; none sends the same prompts at the same moments to several endpoints in turn, which is
what makes three seeds enough. What is left to write is `requests.py` and `client.py`.
"""
