"""Nested models validated from JSON and written again, errors, computed fields and a JSON schema."""
# packages: pydantic
# image: text
import datetime as dt
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError, computed_field, field_validator


class Line(BaseModel):
    sku: Annotated[str, Field(pattern=r"^[A-Z]{2}-\d{4}$")]
    count: Annotated[int, Field(gt=0)]
    price: Decimal

    @field_validator("sku", mode="before")
    @classmethod
    def upper(cls, value):
        return value.upper()


class Order(BaseModel):
    kind: Literal["sale", "return"]
    at: dt.datetime
    lines: list[Line]
    tags: set[str] = set()

    @computed_field
    @property
    def total(self) -> Decimal:
        return sum((line.count * line.price for line in self.lines), Decimal(0))


def work():
    raw = {
        "kind": "sale",
        "at": "2024-02-29T12:00:00Z",
        "lines": [{"sku": f"ab-{i:04}", "count": i + 1, "price": f"{i}.25"} for i in range(40)],
        "tags": ["x", "x"],
    }
    orders = TypeAdapter(list[Order])
    parsed = orders.validate_python([raw] * 200)
    again = orders.validate_json(orders.dump_json(parsed))
    try:
        Order.model_validate({"kind": "gift", "at": "never", "lines": [{"sku": "?", "count": 0}]})
    except ValidationError as error:
        problems = [(list(one["loc"]), one["type"]) for one in error.errors()]
    return {
        "total": str(again[-1].total),
        "equal": again == parsed,
        "problems": problems,
        "json": parsed[0].model_dump_json()[:200],
        "schema": sorted(Order.model_json_schema()["$defs"]["Line"]["properties"]),
    }
