"""Intel GPUs that pods claim, where Intel's resource driver is on the cluster."""

from dataclasses import replace

from stack.hardware import xpu

TARGET = replace(xpu.TARGET, resource=None, claim="gpu.intel.com")
