"""DynamoDB: its rows outlive the process."""

from collections import defaultdict
from typing import Any

from ministack.services import dynamodb

from local.engine.journal import Journal
from local.engine.scopes import emptied, state_of


def write_items_through(journal: Journal) -> None:
    """Each DynamoDB write is in the journal before anyone can see it."""
    set_item, remove_item, items_replaced = dynamodb._set_item, dynamodb._remove_item, dynamodb._items_replaced

    def set_and_write(table: dict[str, Any], partition: str, sort: str, item: dict[str, Any]) -> Any:
        journal.put("item", [table["TableId"], partition, sort], item)
        return set_item(table, partition, sort, item)

    def remove_and_write(table: dict[str, Any], partition: str, sort: str) -> Any:
        journal.delete("item", [table["TableId"], partition, sort])
        return remove_item(table, partition, sort)

    def replace_and_write(table: dict[str, Any]) -> None:
        items_replaced(table)
        for key, _ in journal.read("item"):
            if key[0] == table["TableId"]:
                journal.delete("item", key)
        entries = [
            ("item", [table["TableId"], partition, sort], item)
            for partition, items in table["items"].items()
            for sort, item in items.items()
        ]
        journal.put_all(entries)

    dynamodb._set_item = set_and_write
    dynamodb._remove_item = remove_and_write
    dynamodb._items_replaced = replace_and_write
    names = (
        *("tags", "ttl_settings", "pitr_settings", "kinesis_destinations", "contributor_insights"),
        *("backups", "resource_policies", "exports", "imports"),
    )

    def state_without_items() -> dict[str, Any]:
        tables = emptied(dynamodb._tables, "items", {}, dynamodb._INDEX_MEMBERS)
        return state_of(dynamodb, *names, tables=tables)

    dynamodb.get_state = state_without_items


def restore_items(journal: Journal) -> None:
    """Rows into the tables they belong to; rows of deleted tables are dropped."""
    tables = {table["TableId"]: table for table in dynamodb._tables.all_values()}
    for table in tables.values():
        table["items"] = defaultdict(dict)
    for (table_id, partition, sort), item in journal.read("item"):
        if table_id in tables:
            tables[table_id]["items"][partition][sort] = item
        elif tables:
            journal.delete("item", [table_id, partition, sort])
    for table in tables.values():
        dynamodb._update_counts(table)
