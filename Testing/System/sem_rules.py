# SPDX-License-Identifier: Apache-2.0
"""What 3D Slicer takes: the rules of SlicerExecutionModel's parser, and the fields of its segmentation files. Written from
3D Slicer's sources, not from ours."""
import gzip
import re
import xml.etree.ElementTree as ET

# Codes of SNOMED CT that tests use and that Slicer's SegmentationCategoryTypeModifier-DICOM-Master.json and
# AnatomicRegionAndModifier-DICOM-Master.json have.
SLICERS_MASTER_LIST = {"4147007", "79654002", "6574001", "108369006", "14799000", "27925004", "12738006", "39607008", "10200004", "78961009", "15776009",
                       "64033007", "41216001", "80891009", "69695003", "71854001", "15825003", "38266002"}


IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*$")
# Of each tag, the attributes that are taken; others are ignored without a word.
ATTRIBUTES = {
    **dict.fromkeys(["integer", "float", "double", "boolean", "string"], {"hidden", "multiple"}),
    **dict.fromkeys(["integer-vector", "float-vector", "double-vector", "string-vector"], set()),
    **dict.fromkeys([f"{kind}-enumeration" for kind in ("string", "integer", "float", "double")], {"hidden"}),
    **dict.fromkeys(["file", "directory"], {"multiple", "fileExtensions"}),
    "image": {"type", "multiple", "fileExtensions", "hidden", "reference"},
    "table": {"type", "multiple", "hidden", "reference", "fileExtensions"},
}
FILES = {"file", "directory", "image", "table"}
HEAD = ["category", "title", "description", "version", "license", "contributor"]
CHILDREN = ["name", "flag", "longflag", "index", "description", "label", "default", "channel", "constraints", "element"]


def problems(text):
    """Of the XML of one module."""
    found = []

    def need(holds, problem):
        if not holds:
            found.append(problem)

    need(text.startswith("<?xml "), "there is something before <?xml")
    root = ET.fromstring(text.encode())
    need(root.tag == "executable", "the root is no <executable>")
    groups = [child for child in root if child.tag == "parameters"]
    need([child.tag for child in root] == HEAD + ["parameters"] * len(groups), "unknown elements, or in another order")
    need(all(child.text and child.text.strip() for child in root if child.tag != "parameters"), "an empty element")
    names, flags, indexes = [], [], []
    for group in groups:
        need(set(group.attrib) <= {"advanced"} and group.get("advanced", "true") in ("true", "false"), "a group's attributes")
        need([child.tag for child in group[:2]] == ["label", "description"], "a group begins with label and description")
        for parameter in group[2:]:
            values = {child.tag: (child.text or "").strip() for child in parameter}
            who = f"{parameter.tag} {values.get('name')}: "
            need(parameter.tag in ATTRIBUTES, who + "unknown tag")
            need(set(parameter.attrib) <= ATTRIBUTES.get(parameter.tag, set()), who + "unknown attribute")
            tags = [child.tag for child in parameter if child.tag != "element"]
            need(len(tags) == len(set(tags)), who + "an element twice")
            need(set(tags) <= set(CHILDREN), who + f"unknown elements {tags}")
            need(tags == sorted(tags, key=CHILDREN.index), who + "not in the order of CTK's schema")
            need(IDENTIFIER.match(values["name"]), who + "the name is no C identifier")
            need(values.get("label") and values.get("description"), who + "no label or description")
            names.append(values["name"])
            flagged = "flag" in values or "longflag" in values
            returned = values.get("channel") == "output" and parameter.tag not in FILES
            need(not (flagged and "index" in values), who + "flag and index")
            need(flagged or "index" in values or returned, who + "neither flag nor index")
            need(not returned or not (flagged or "index" in values), who + "a return parameter with flag or index")
            if "longflag" in values:
                need(IDENTIFIER.match(values["longflag"]), who + "the longflag is no C identifier")
                flags.append(values["longflag"])
            if "flag" in values:
                need(len(values["flag"]) == 1, who + "the flag is no single letter")
                flags.append(values["flag"])
            if "index" in values:
                need(values["index"].isdigit(), who + "the index is no number")
                indexes.append((int(values["index"]), group))
            elements = [child.text for child in parameter if child.tag == "element"]
            need(bool(elements) == parameter.tag.endswith("-enumeration"), who + "elements")
            need(not elements or values.get("default") in elements, who + "the default is no element")
            if parameter.tag == "boolean":
                need(values.get("default", "false") == "false", who + "a boolean that is true by default")
            if parameter.tag in FILES:
                need(values.get("channel") in ("input", "output"), who + "no channel")
            if parameter.tag == "image":
                need(parameter.get("type") in ("scalar", "label"), who + "type")
            if parameter.tag in ("image", "table") and values.get("channel") == "output":
                need(re.match(r"\.\w", parameter.get("fileExtensions", "")), who + "an output without fileExtensions")
                need(parameter.get("reference") in names, who + "the reference is no parameter before it")
            for child in parameter:
                if child.tag == "constraints":
                    need([c.tag for c in child] in (["minimum", "maximum"], ["minimum", "maximum", "step"]), who + "constraints")
                    need(float(child[0].text) <= float(values.get("default") or child[0].text) <= float(child[1].text),
                         who + "the default is out of the constraints")
    for what, all_of_it in (("names", names), ("flags", flags)):
        need(len(all_of_it) == len(set(all_of_it)), f"two {what} are the same")
    need(sorted(i for i, _ in indexes) == list(range(len(indexes))), "indexes are not 0, 1, 2, ...")
    need(len({id(group) for _, group in indexes}) <= 1, "indexes in several groups, which nipype mixes up")
    return found


def nrrd(path):
    """The fields, the key/value pairs and the bytes of a NRRD file."""
    data = path.read_bytes()
    head, _, body = data.partition(b"\n\n")
    lines = head.decode("utf-8").split("\n")
    assert lines[0].startswith("NRRD000"), lines[0]
    fields, pairs = {}, {}
    for line in lines[1:]:
        if line.startswith("#"):
            continue
        key, between, value = re.match(r"([^:]+)(:=|: ?)(.*)$", line).groups()
        (pairs if between == ":=" else fields)[key] = value
    return fields, pairs, gzip.decompress(body) if fields["encoding"] in ("gzip", "gz") else body


def segmentation_problems(path, labels, region):
    """Of a .seg.nrrd against the model's labels and region, as model.json has them."""
    found = []

    def need(holds, problem):
        if not holds:
            found.append(problem)

    fields, pairs, voxels = nrrd(path)
    sizes = [int(n) for n in fields["sizes"].split()]
    need(fields["dimension"] == "3" and len(sizes) == 3, "not three-dimensional")
    need(fields["type"] in ("unsigned char", "uchar", "uint8", "uint8_t"), "not the smallest type")
    need(fields["encoding"] in ("gzip", "gz"), "not compressed")
    need(fields["space"] in ("left-posterior-superior", "LPS"), "not in LPS")
    need(len(voxels) == sizes[0] * sizes[1] * sizes[2], "another number of voxels")
    need(set(voxels) <= {0, *(label["value"] for label in labels)}, "a value that is no segment's")
    need(pairs.get("Segmentation_MasterRepresentation") == "Binary labelmap", "the master representation")
    need(pairs.get("Segmentation_ContainedRepresentationNames") == "Binary labelmap|", "the representations")
    need(pairs.get("Segmentation_ReferenceImageExtentOffset") == "0 0 0", "the extent's offset")
    need("Segmentation_ConversionParameters" in pairs, "no conversion parameters")
    need(f"Segment{len(labels)}_ID" not in pairs, "more segments than labels")
    ids = [pairs.get(f"Segment{i}_ID") for i in range(len(labels))]
    need(None not in ids and len(set(ids)) == len(ids), f"ids {ids}")
    triplet = lambda code: "^".join(code[key] for key in ("scheme", "value", "meaning"))
    for i, label in enumerate(labels):
        has = lambda name: pairs.get(f"Segment{i}_{name}")
        need(has("Name") == label["name"], f"name {has('Name')}")
        need(has("NameAutoGenerated") == has("ColorAutoGenerated") == "0", "automatic name or color")
        need(has("LabelValue") == str(label["value"]), f"value {has('LabelValue')}")
        need(has("Layer") == "0", "layer")
        need(has("Extent") == " ".join(f"0 {n - 1}" for n in sizes), f"extent {has('Extent')}")
        color = [float(c) for c in has("Color").split()]
        need(all(0 <= c <= 1 for c in color) and [round(255 * c) for c in color] == label["color"], f"color {color}")
        tags = dict(tag.split(":", 1) for tag in has("Tags").split("|") if tag)
        need(list(tags) == ["TerminologyEntry"] and has("Tags").endswith("|"), f"tags {tags}")
        parts = tags["TerminologyEntry"].split("~")
        list_of = lambda code: "DICOM master list" if code["value"] in SLICERS_MASTER_LIST else "Oncotome"
        need(parts == [f"Segmentation category and type - {list_of(label['type'])}", triplet(label["category"]), triplet(label["type"]),
                       "^^", f"Anatomic codes - {list_of(region)}", triplet(region), "^^"], f"terminology {parts}")
    return found
