"""NVIDIA GPUs of Google Kubernetes Engine, which mounts the driver beside the image's libraries."""

from dataclasses import replace

from stack.hardware import cuda

DRIVER = "/usr/local/nvidia/lib64"

TARGET = replace(
    cuda.TARGET,
    env={
        "LD_LIBRARY_PATH": f"{DRIVER}:/usr/local/cuda/lib64",
        # Kernels are compiled at the first start, and linked with the driver's libcuda.
        "LIBRARY_PATH": DRIVER,
    },
    node_labels={
        "kubernetes.io/arch": "amd64",
        "cloud.google.com/gke-accelerator": "nvidia-h100-80gb",
    },
)
