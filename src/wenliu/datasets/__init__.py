"""Our own Kedro datasets, and the one place that makes a version complete."""

from wenliu.datasets.champion import ChampionDataset
from wenliu.datasets.files import ArrowTableDataset, FolderDataset
from wenliu.datasets.frozen import FrozenSetsDataset
from wenliu.datasets.raw import RawFiles
from wenliu.datasets.registered_model import RegisteredModelDataset
from wenliu.datasets.serving_bundle import ServingBundleDataset
from wenliu.datasets.settled import SettledIntakesDataset
from wenliu.datasets.versioned import VersionedDataset
from wenliu.datasets.workspace import WorkspaceDataset

__all__ = [
    "ArrowTableDataset",
    "ChampionDataset",
    "FolderDataset",
    "FrozenSetsDataset",
    "RawFiles",
    "RegisteredModelDataset",
    "ServingBundleDataset",
    "SettledIntakesDataset",
    "VersionedDataset",
    "WorkspaceDataset",
]
