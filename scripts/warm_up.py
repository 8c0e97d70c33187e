"""Leaves on disk what every process of a night would else make for itself; scripts/setup runs it.

Bytecode: where nobody may write it later, as in containers that set PYTHONDONTWRITEBYTECODE, a
process compiles all that it imports anew, for two to five seconds of a core. And the routes'
compiled search: half a minute.
"""

import importlib
import logging
import pkgutil

import ray

import logistics
from logistics.routes.solve_ruin import prepare

for module in pkgutil.walk_packages(logistics.__path__, "logistics."):
    importlib.import_module(module.name)
prepare()
# Ray's own processes: the dashboard, its agents, a worker.
ray.init("local", num_cpus=1, dashboard_host="127.0.0.1", logging_level=logging.ERROR)
ray.get(ray.remote(prepare).remote())
