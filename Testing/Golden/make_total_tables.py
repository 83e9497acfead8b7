#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes Data/Terminology/total_segmentator.json from what TotalSegmentator 2.18.0 says of its tasks, classes and their codes.

`make_total_tables.py FOLDER`: where it is, or is installed to.
"""
import csv
import json
import pathlib
import re
import sys

PLACE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PLACE / "Testing" / "Support"))
from reference_environment import total_segmentator  # noqa: E402

total_segmentator(sys.argv[1])
from totalsegmentator import map_to_binary as maps  # noqa: E402
from totalsegmentator.map_tasks_config import DEFAULT_CONFIG, TASK_CONFIGS, TASK_ID_WEIGHTS_CONFIGS  # noqa: E402
from totalsegmentator.registry import task_modality  # noqa: E402

# What these do besides has no counterpart here.
LEFT_OUT = {"test", "total_highres_test", "heartchambers_highres", "vertebrae_pp", "vertebrae_pp_refined", "renal_arteries", "aorta_annulus",
            "aortic_dissection", "pulmonary_artery_landmarks", "thigh_shoulder_muscles_mr", "coronary_arteries_LEGACY"}
PARTS = {"total": (maps.class_map_5_parts, maps.map_taskid_to_partname_ct), "total_v3": (maps.class_map_5_parts_total_v3, maps.map_taskid_to_partname_ct_v3),
         "total_mr": (maps.class_map_parts_mr, maps.map_taskid_to_partname_mr),
         "headneck_muscles": (maps.class_map_parts_headneck_muscles, maps.map_taskid_to_partname_headneck_muscles)}


def crop_of(task, config):
    if config["crop"] is None:
        return None
    suffix = "_mr" if task.endswith("_mr") else ""
    if config["crop_model"]:
        return {"task": config["crop_model"], "labels": config["crop"], "margin_mm": config["crop_addon"]}
    if "body_trunc" in config["crop"]:
        return {"task": "body_fast", "labels": config["crop"], "margin_mm": [20, 20, 20]}
    speed = "_fast" if suffix or config["robust_crop"] else "_fastest"
    return {"task": "total" + suffix + speed, "labels": config["crop"], "margin_mm": [20, 20, 20]}


def describe(name, task, config):
    classes = maps.class_map[task]
    assert list(classes) == list(range(1, len(classes) + 1))
    out = {"name": name, "modality": task_modality(task), "labels": list(classes.values()) if name == task else task}
    spacing = config["resample"]
    if spacing is not None:
        out["spacing_mm"] = spacing if isinstance(spacing, list) else [spacing] * 3
    if task in ("total", "total_v3", "total_mr"):
        out["step"] = 0.8
    if config["folds"] is None:
        out["all_folds"] = True
    if name.endswith("_fast"):
        out["coarse_statistics"] = True
    dropped = sorted(maps.class_map.get(task + "_auxiliary", {}))
    if dropped:
        out["dropped"] = dropped
    if crop_of(task, config):
        out["crop"] = crop_of(task, config)
    if task == "body":
        out["largest_only"], out["min_volume_mm3"] = [1], {"2": 50000}
    ids = config["task_id"]
    out["parts"] = []
    for number in ids if isinstance(ids, list) else [ids]:
        folder = TASK_ID_WEIGHTS_CONFIGS[number]["foldername"]
        part = {"dataset": re.sub(r"_\d+subj$", "", folder), "folder": f"{config['trainer']}__nnUNetPlans__{config['model']}"}
        if isinstance(ids, list):
            by_part, part_of = PARTS[task]
            back = {v: k for k, v in classes.items()}
            table = by_part[part_of[number]]
            part["labels"] = [back[table[i]] if i in table else 0 for i in range(max(table) + 1)]
        out["parts"].append(part)
    return out


def tasks():
    for task, raw in TASK_CONFIGS.items():
        if task in LEFT_OUT:
            continue
        for mode, more in sorted(raw.get("sub_modes", {"default": raw}).items()):
            yield describe(task if mode == "default" else f"{task}_{mode}", task, {**DEFAULT_CONFIG, **more})


def terms():
    rows = csv.DictReader((pathlib.Path(sys.argv[1]) / "totalsegmentator/resources/totalsegmentator_snomed_mapping.csv").open())
    for row in rows:
        of = lambda what: [row[f"SegmentedProperty{what}CodeSequence.Code{part}"] for part in ("Value", "Meaning")]
        yield row["Structure"], [of("Category"), of("Type"), [int(c) for c in row["DicomRGBColor"].split(",")]]


ALL = list(tasks())
NAMES = {name for task in ALL if isinstance(task["labels"], list) for name in task["labels"]}
TABLE = {"source": "TotalSegmentator 2.18.0, Apache-2.0: tasks, classes, and their SNOMED CT category and type and color",
         "tasks": ALL, "terms": {name: term for name, term in terms() if name in NAMES}}
LINES = [f'  "{key}": [\n    ' + ",\n    ".join(json.dumps(task) for task in TABLE[key]) + "\n  ]" if key == "tasks" else
         f'  "{key}": {{\n    ' + ",\n    ".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in TABLE[key].items()) + "\n  }" if key == "terms" else
         f'  "{key}": {json.dumps(TABLE[key])}' for key in TABLE]
(PLACE / "Data" / "Terminology" / "total_segmentator.json").write_text("{\n" + ",\n".join(LINES) + "\n}\n")
