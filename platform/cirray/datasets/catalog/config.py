"""The settings of the catalogue reader."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cirray.config import Choice, Config
from cirray.datasets.catalog.template import Template
from cirray.errors import ConfigError

Encoding = Literal["utf-8", "utf-16", "latin-1", "windows-1252", "shift_jis", "gb18030", "big5", "euc-kr"]

DEFAULT_TABLES = ("catalog.csv", "catalog.parquet")
"""Where the table is looked for where the settings do not say."""


class DrawnRule(Config):
    """How many of the triplets that a rule allows are taken.

    Attributes:
        per_reference: of each kind, for each reference. None takes all.
        limit: of each kind, in all.
        seed: of the draw.
    """

    per_reference: int | None = Field(None, ge=1)
    limit: int = Field(100_000, ge=1)
    seed: int = Field(0, ge=0)


class AttributeRule(DrawnRule):
    """Two items that differ in one attribute: "replace <its value> with <the other's>".

    Attributes:
        change: attributes that may differ, each a kind of triplets of its own. Empty: all attributes.
        fixed: attributes that are equal. None: all others of the reader's attributes.
    """

    rule: Literal["attribute"]
    change: tuple[str, ...] = ()
    fixed: tuple[str, ...] | None = None


class CaptionWordRule(DrawnRule):
    """Two items whose captions have as many words, and differ in one: "replace <it> with <the other>"."""

    rule: Literal["caption-word"]


TripletRule = Annotated[AttributeRule | CaptionWordRule, Field(discriminator="rule")]


class CatalogConfig(Choice):
    """What the columns of a catalogue mean, and which triplets are made of it.

    Where a setting takes a "column or template", it is the name of a column, or a text with columns in braces.

    Attributes:
        table: the CSV, TSV or parquet file. None: catalog.csv or catalog.parquet, whichever there is.
        triplets_table: a file of triplets: columns `reference`, `target`, and `text` or `texts` (a list; as JSON
            in a CSV); optional are `split` (by default the reference's), `query_id` and `category`.
        encoding: of CSV files; UTF-16 is also recognised by its mark.
        delimiter: of CSV files; a name that ends in .tsv means tabs.
        id_column: the items' ids.
        image: column or template of the picture's path, relative to the source.
        caption: column or template of what describes an item; None for nothing.
        label: column or template; items of the same label are the same answer to a query. None: what the rules
            compare, that is the caption, or else the values of all attributes; without a rule, the id.
        category: the column of the items' part of the dataset; None for nothing.
        attributes: columns whose values, in this order, are an item's attributes (empty ones too).
        lower_case: whether captions, labels and the values of attributes are taken in lower case.
        split_column: the column that names an item's split; empty cells are of no split. None: by id.
        test_modulo: without a split column, an item is of split "test" if
            `int(sha1(id).hexdigest(), 16) % test_modulo == 0`, else "train".
        triplets: by split, the rule by which its triplets are made.
    """

    name: Literal["catalog"] = "catalog"
    table: str | None = None
    triplets_table: str | None = None
    encoding: Encoding = "utf-8"
    delimiter: Literal[",", ";", "\t", "|"] = ","
    id_column: str = "id"
    image: str = "image"
    caption: str | None = None
    label: str | None = None
    category: str | None = None
    attributes: tuple[str, ...] = ()
    lower_case: bool = False
    split_column: str | None = None
    test_modulo: int = Field(5, ge=2)
    triplets: dict[str, TripletRule] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _templates_and_rules_fit(self) -> CatalogConfig:
        for template in filter(None, (self.image, self.caption, self.label)):
            Template.parse(template)
        for split, rule in self.triplets.items():
            if isinstance(rule, CaptionWordRule) and not self.caption:
                raise ConfigError(f"The triplets of {split} are made of captions, but `caption` is not set.")
            if isinstance(rule, AttributeRule):
                self._check_attributes(split, rule)
        return self

    def _check_attributes(self, split: str, rule: AttributeRule) -> None:
        if not self.attributes:
            raise ConfigError(f"The triplets of {split} are made of attributes, but `attributes` is empty.")
        unknown = sorted({*rule.change, *(rule.fixed or ())} - set(self.attributes))
        if unknown:
            raise ConfigError(
                f"The rule of {split} names {', '.join(unknown)}, which `attributes` does not list; "
                f"there are: {', '.join(self.attributes)}."
            )

    @property
    def label_template(self) -> Template:
        """What items of the same answer have in common, as a template."""
        rules = self.triplets.values()
        if self.label:
            return Template.parse(self.label)
        if self.caption and any(isinstance(rule, CaptionWordRule) for rule in rules):
            return Template.parse(self.caption)
        if any(isinstance(rule, AttributeRule) for rule in rules):
            between = [" " if place else "" for place in range(len(self.attributes))]
            return Template("", tuple(zip(between, self.attributes, strict=True)))
        return Template.parse(self.id_column)

    def columns(self) -> list[str]:
        """Return all columns that are read, each once."""
        templates = [self.image, *filter(None, (self.caption, self.label))]
        wanted = [self.id_column, *(column for text in templates for column in Template.parse(text).columns)]
        wanted += [*filter(None, (self.category, self.split_column)), *self.attributes]
        return list(dict.fromkeys(wanted))
