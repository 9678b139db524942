"""Training of the model: extract, transform, split, train, calibrate, export, evaluate."""

import os

# Threads that spin while they wait slow each other down many times over as soon as anything else runs on the machine.
# The OpenMP runtime reads this once, when torch is loaded, so it stands where nothing can load torch earlier.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Unless told not to, onnxruntime looks up a telemetry host as soon as it is loaded, and writes below the home folder.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
