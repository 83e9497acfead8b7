# SPDX-License-Identifier: Apache-2.0
"""The models that lie in folders: Oncotome packages, nnU-Net v2 results folders and MONAI bundles.

Plain Python, without Slicer. Only descriptions are read, never weights: the CLI module checks those.
"""
from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

MAX_CHANNELS = 4  # volumes that the CLI modules take
_DEPTH = 3  # a results folder of nnU-Net: Dataset001_Name/Trainer__Plans__Configuration
_MOST_ENTRIES = 10000  # that are looked at in a folder: a panel waits, and may have been given a home folder
_DESCRIBED_BY = {"oncotome": ("model.json",), "nnunet": ("plans.json", "dataset.json"), "monai": ("configs/metadata.json",)}
_KIND_NAMES = {"oncotome": "Oncotome package", "nnunet": "nnU-Net v2 results folder", "monai": "MONAI bundle"}


class ModelError(ValueError):
    """A folder that is no model, or whose description cannot be read: one line."""


@dataclass(frozen=True)
class Channel:
    name: str
    aliases: tuple[str, ...] = ()
    # Regular expressions that a series' description matches, and may not match; the first empty where more is asked of it.
    rules: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Model:
    """One model. `id` is unique among the models of a list, and survives a move of the folder."""

    id: str
    path: str
    kind: str  # a key of _DESCRIBED_BY
    title: str
    description: str = ""
    version: str = ""
    license: str = ""
    origin: str = ""
    modality: str = ""
    region: str = ""
    channels: tuple[Channel, ...] = ()
    labels: tuple[str, ...] = ()  # names of what it outlines
    classes: tuple[str, ...] = ()  # names of what it tells apart
    reference: int = 0  # index of the channel on whose grid results lie
    minLesionMm3: float = 0.0
    steps: tuple[str, ...] = ()  # of the preparation of an Oncotome package
    words: str = field(default="", repr=False)  # all of the above in lower case, for search

    @property
    def segments(self) -> bool:
        return bool(self.labels)

    @property
    def takesMask(self) -> bool:
        return self.takesBrainModel or "foreground" in self.steps

    @property
    def takesBrainModel(self) -> bool:
        return "extract_brain" in self.steps

    @property
    def findsBrain(self) -> bool:
        return len(self.channels) == 1 and [label.lower() for label in self.labels] == ["brain"]

    def whyNot(self) -> str:
        """Why the module cannot run it, or nothing."""
        if len(self.channels) > MAX_CHANNELS:
            return f"It takes {len(self.channels)} volumes; the module passes up to {MAX_CHANNELS}."
        return ""

    def facts(self) -> list[tuple[str, str]]:
        """What a panel shows of it: captions and texts."""
        rows = [
            ("Use", self.description),
            ("Input", f"{self.modality} of {self.region}" if self.region else self.modality),
            ("Volumes", ", ".join(channel.name for channel in self.channels)),
            ("Outlines", ", ".join(self.labels)),
            ("Tells apart", ", ".join(self.classes)),
            ("Version", self.version),
            ("License", self.license),
            ("Origin", self.origin),
            ("Form", _KIND_NAMES[self.kind]),
        ]
        return [(caption, text) for caption, text in rows if text]


def _readJson(path: Path) -> dict:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as e:
        raise ModelError(f"{path}: {e}") from e
    if not isinstance(value, dict):
        raise ModelError(f"{path}: it is not a JSON object")
    return value


def _oncotome(folder: Path) -> dict:
    j = _readJson(folder / "model.json")
    if j.get("schema") != "oncotome.model/1":
        raise ModelError(f"{folder / 'model.json'}: its schema is not oncotome.model/1")
    return j


def _nnunet(folder: Path) -> dict:
    dataset = _readJson(folder / "dataset.json")
    names = dataset.get("channel_names", dataset.get("modality", {}))
    channels = [str(names[key]) for key in sorted(names, key=int)]
    labels = [name for name, value in dataset.get("labels", {}).items() if value != 0 and name != "ignore"]
    first = channels[0].lower() if channels else ""
    modality = "CT" if re.search(r"\bct\b", first) else "PT" if re.search(r"\b(pet|suv)\b", first) else "MR"
    known = _readJson(folder / "oncotome.json") if (folder / "oncotome.json").is_file() else {}
    described = {
        "title": _readJson(folder / "plans.json").get("dataset_name") or folder.name,
        "intended_use": dataset.get("description", ""),
        "license": dataset.get("licence", dataset.get("license", "not stated")),
        "input": {"modality": modality, "channels": [{"name": name} for name in channels]},
        "labels": [{"name": name} for name in labels],
    }
    described["input"].update({key: known.get("input", {})[key] for key in ("modality", "region") if key in known.get("input", {})})
    described.update({key: known[key] for key in ("title", "intended_use", "license", "version", "origin") if key in known})
    return described


def _monai(folder: Path) -> dict:
    j = _readJson(folder / "configs" / "metadata.json")
    data = j.get("network_data_format", {})

    def side(which: str) -> tuple[str, list[str]]:
        values = list(data.get(which, {}).values())
        if len(values) != 1:
            raise ModelError(f"{folder}: the bundle's network has not one of its {which}")
        names = values[0].get("channel_def", {})
        count = int(values[0]["num_channels"])
        return values[0].get("modality", ""), [str(names.get(str(i), f"channel {i}")) for i in range(count)]

    modality, channels = side("inputs")
    modality = {"MRI": "MR", "PET": "PT"}.get(modality, modality)
    outputs = side("outputs")[1]
    return {
        "title": j.get("name", folder.name),
        "version": j.get("version", ""),
        "intended_use": j.get("intended_use") or j.get("description", ""),
        "license": j.get("license", "not stated"),
        "origin": j.get("authors", ""),
        "input": {"modality": modality, "channels": [{"name": name} for name in channels]},
        "labels": [{"name": name} for name in outputs if name.lower() != "background"],
    }


def kindOf(folder: Path) -> str:
    """The kind of model that a folder is, or nothing."""
    for kind, files in _DESCRIBED_BY.items():
        if all((folder / file).is_file() for file in files):
            return kind
    return ""


def readModel(path, within=None) -> Model:
    """Reads a model's description; ModelError where there is none, or it lacks what is asked for.

    :param within: the folder that was searched: models but Oncotome's packages are named by their place in it.
    """
    folder = Path(path)
    kind = kindOf(folder)
    if not kind:
        raise ModelError(f"{folder}: neither an Oncotome package nor an nnU-Net results folder nor a MONAI bundle")
    try:
        j = {"oncotome": _oncotome, "nnunet": _nnunet, "monai": _monai}[kind](folder)
        given = j["input"]
        fields = {
            "id": j.get("name", "") if kind == "oncotome" else "",
            "path": str(folder),
            "kind": kind,
            "title": str(j["title"]),
            "description": str(j.get("intended_use", "")),
            "version": str(j.get("version", "")),
            "license": str(j.get("license", "")),
            "origin": str(j.get("origin", "")),
            "modality": str(given.get("modality", "")),
            "region": str(given.get("region", {}).get("meaning", "")),
            "channels": tuple(
                Channel(
                    c["name"],
                    tuple(c.get("aliases", ())),
                    tuple(
                        (rule.get("description", "") if set(rule) <= {"description", "not_description"} else "", rule.get("not_description", ""))
                        for rule in c.get("find", ())
                    ),
                )
                for c in given["channels"]
            ),
            "labels": tuple(str(label["name"]) for label in j.get("labels", ())),
            "classes": tuple(str(c["name"]) for c in j.get("classes", ())),
            "minLesionMm3": float(j.get("lesion", {}).get("min_volume_mm3", 0)),
            "steps": tuple(str(step["step"]) for step in j.get("preparation", ())),
        }
    except (AttributeError, KeyError, TypeError, ValueError) as e:
        if isinstance(e, ModelError):
            raise
        raise ModelError(f"{folder}: a field is missing or has the wrong type: {e}") from e
    names = [channel.name for channel in fields["channels"]]
    if given.get("reference_channel") in names:
        fields["reference"] = names.index(given["reference_channel"])
    if not fields["id"]:
        fields["id"] = folder.relative_to(within).as_posix() if within and folder != Path(within) else folder.name
    texts = [fields["id"], *(text for _, text in Model(**fields).facts()), fields["title"]]
    texts += [alias for channel in fields["channels"] for alias in channel.aliases]
    return Model(**fields, words=" ".join(texts).lower())


def findModels(folders) -> tuple[list[Model], list[str]]:
    """The models in folders and their subfolders, by title, and what could not be read or was not looked at.

    Of two models with one id, the one of the earlier folder counts, as for the CLI modules.
    """
    found: dict[str, Model] = {}
    problems = []
    left = 0

    def visit(folder: Path, within: Path, depth: int) -> None:
        nonlocal left
        if kindOf(folder):
            try:
                model = readModel(folder, within)
                found.setdefault(model.id, model)
            except ModelError as e:
                problems.append(str(e))
            return
        if depth == 0:
            return
        try:
            with os.scandir(folder) as listing:
                entries = list(islice(listing, left))
            inner = sorted(entry.path for entry in entries if entry.is_dir() and not entry.name.startswith("."))
        except OSError as e:
            problems.append(f"{folder}: {e.strerror}")
            return
        left -= len(entries)
        for each in inner:
            visit(Path(each), within, depth - 1)

    for folder in folders:
        if folder and Path(folder).is_dir():
            left = _MOST_ENTRIES
            visit(Path(folder), Path(folder), _DEPTH)
            if left == 0:
                problems.append(f"{folder}: only {_MOST_ENTRIES} of the files and folders in it were looked at; choose one nearer to the models")
    return sorted(found.values(), key=lambda model: (model.title.lower(), model.id)), problems


def search(models, text: str) -> list[Model]:
    """The models that hold each word of the text somewhere in their description; all for an empty text."""
    words = text.lower().split()
    return [model for model in models if all(word in model.words for word in words)]


def guessInputs(model: Model, names) -> list:
    """For each channel the index of the volume whose name fits it, or None; a volume is taken once.

    A name fits by the regular expressions that the model finds DICOM series by, or by holding the channel's name or
    an alias (of a model's only channel the modality too) as a word. An only channel takes the only volume there is.
    """

    def holds(pattern: str, name: str) -> bool:
        return bool(pattern) and re.search(pattern, name, re.IGNORECASE) is not None

    def fits(channel: Channel, name: str) -> bool:
        if any(holds(wanted, name) and not holds(unwanted, name) for wanted, unwanted in channel.rules):
            return True
        if any(holds(unwanted, name) for _, unwanted in channel.rules):
            return False
        words = "|".join(re.escape(word) for word in (channel.name, *channel.aliases, *modality))
        return holds(rf"(^|[^a-z0-9])({words})($|[^a-z0-9])", name)

    modality = [model.modality] if len(model.channels) == 1 and model.modality else []
    taken: list = []
    for channel in model.channels:
        taken.append(next((i for i, name in enumerate(names) if i not in taken and fits(channel, name)), None))
    if len(model.channels) == 1 and taken == [None] and len(names) == 1:
        taken = [0]
    return taken
