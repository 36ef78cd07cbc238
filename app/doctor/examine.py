"""Run all checks, in the order of the output."""

from collections.abc import Iterator

from app.doctor.cgroup import check_cgroup
from app.doctor.database import check_database
from app.doctor.disk import check_disk, check_file_system
from app.doctor.engine import check_engine, examine_engine, torch_of
from app.doctor.finding import Finding
from app.doctor.first_process import check_first_process
from app.doctor.gpu import check_gpu
from app.doctor.limits import check_limits, check_memory, check_shared_memory
from app.doctor.locks import check_locks
from app.doctor.logout import check_logout
from app.doctor.packages import check_packages
from app.doctor.reboot import check_reboot
from app.doctor.run_folders import check_run_folders
from db.place import index_file
from engine.contracts.run_folder import Workspace
from engine.supervise.launch.interpreter import EngineChoice


def run_checks(workspace: Workspace, engine: EngineChoice) -> Iterator[Finding]:
    """Check the machine, the workspace and the Python that runs our stages; changes nothing."""
    yield from check_logout()
    yield from check_reboot()
    yield from check_limits()
    yield from check_memory()
    yield from check_cgroup()
    yield from check_first_process()
    yield from check_shared_memory()
    yield from check_disk(workspace.path)
    yield from check_file_system(workspace.path)
    yield from check_locks(workspace.path)
    yield from check_database(index_file(workspace))
    yield from check_run_folders(workspace)
    yield from check_packages()
    interpreter = examine_engine(engine)
    yield from check_engine(interpreter, engine.origin)
    yield from check_gpu(torch=torch_of(interpreter))
