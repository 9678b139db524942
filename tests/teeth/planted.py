"""Defences in the code that one changed line takes out, each with the test that must fail then."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Tooth:
    """A defence: what is lost without it, the words in a file that are it and what stands there instead, a test."""

    lost: str
    file: str
    words: str
    instead: str
    test: str

    @property
    def room(self) -> str:
        """Where it is."""
        return self.file.split("/")[0] if not self.file.startswith("functions/") else "functions"


_DOOR, _PAGES = "local/door.py", "tests/browser/test_door.py"
_GATE, _GATE_TESTS = "functions/vehiclevision/image_gate.py", "tests/unit/test_image_gate.py"
_BOXES, _HEIF_TESTS = "functions/vehiclevision/boxes.py", "tests/unit/test_heif.py"
_SEGMENTS = "functions/vehiclevision/segments.py"
_SHARED, _SIGN_IN = "tests/unit/console/test_shared.py", "console/sign_in.py"
_REVIEWING, _REPAIR = "tests/unit/cli/test_console.py", "tests/unit/reconciling/test_repair.py"
_BATCH, _ARTEFACT = "tests/unit/backfilling/test_batch.py", "tests/unit/training/test_artefact_refusals.py"
_ERASE, _SWEEP = "tests/unit/erasing/test_erase.py", "tests/unit/reconciling/test_sweep.py"

_SECOND = "tests/unit/test_second_opinion.py"

TEETH: Final = (
    # ---- a second opinion ----
    Tooth(
        "whoever agrees need not be sure",
        "functions/vehiclevision/decision.py",
        "return opinion.label == label and opinion.confidence >= LEAST_OF_THE_OTHER",
        "return opinion.label == label",
        f"{_SECOND}::test_only_agreement_of_two_that_are_both_rather_sure_passes",
    ),
    Tooth(
        "an answer that is of no use counts as an opinion",
        "functions/classify_image/app.py",
        "    if trouble:",
        "    if False:",
        f"{_SECOND}::test_without_a_usable_answer_all_goes_on_as_if_nobody_had_been_asked",
    ),
    Tooth(
        "a number that a model did not say is made up",
        "functions/vehiclevision/opinion.py",
        "if isinstance(sure, bool) or not isinstance(sure, int | float) or not 0 <= sure <= 100:",
        "if isinstance(sure, bool) or not isinstance(sure, int | float):",
        "tests/unit/training/test_against.py::test_anything_else_is_none",
    ),
    Tooth(
        "people see no more of what passed by a second opinion",
        "monitoring/review.py",
        "share = SECONDED_SHARE if record.seconded_by else SURE_SHARE",
        "share = SURE_SHARE",
        "tests/unit/cli/test_review.py::test_what_passed_by_a_second_opinion_is_seen_twice_as_often",
    ),
    Tooth(
        "an answer that was paid for is asked for again",
        "training/evaluation/against.py",
        "missing = {key: index for key, index in missing.items() if key not in self.kept.answers}",
        "missing = dict(missing)",
        "tests/unit/cli/test_evaluate_against.py::test_a_second_time_costs_nothing",
    ),
    # ---- the door of the local AWS ----
    Tooth(
        "a web page's origin is not looked at",
        _DOOR,
        'if (name == b"origin" and value not in own_origins) or (name == b"sec-fetch-site" and value not in sites):',
        "if False:",
        f"{_PAGES}::test_what_a_page_sends_is_refused_though_it_is_well_signed",
    ),
    Tooth(
        "a request under any host's name comes in",
        _DOOR,
        "if len(asked) != 1 or asked[0].lower() not in hosts:",
        "if not asked:",
        f"{_PAGES}::test_another_host_is_refused_though_it_is_well_signed",
    ),
    Tooth(
        "no signature is asked for",
        _DOOR,
        'if self._paths.needs_signature(scope["method"], scope["path"]) and not self._is_ours(scope["headers"]):',
        "if False:",
        f"{_PAGES}::test_who_does_not_know_the_secret_is_refused",
    ),
    Tooth(
        "an answer says that any page may read it",
        _DOOR,
        'if not each[0].lower().startswith(b"access-control-")',
        "if each",
        f"{_PAGES}::test_who_signs_with_the_folders_key_comes_in",
    ),
    Tooth(
        "a signature counts for ever",
        "local/signature.py",
        "timedelta(minutes=15)",
        "timedelta(days=900)",
        "tests/unit/local/test_signature.py::test_a_signature_of_another_time_is_refused",
    ),
    # ---- what functions may do on the local AWS ----
    Tooth(
        "what a function asks of SageMaker is not held to its role",
        "local/engine/patches/sagemaker.py",
        "        if reason:\n",
        "        if False:\n",
        "tests/workflow/test_local_engine.py::test_a_role_holds_before_sagemaker_too",
    ),
    # ---- the gate for pictures ----
    Tooth(
        "a progressive JPEG may have any number of scans",
        _SEGMENTS,
        "if kept.scans == max_scans:",
        "if False:",
        f"{_GATE_TESTS}::test_unusable_files_are_refused_with_their_reason",
    ),
    Tooth(
        "an animation is taken for a picture",
        _SEGMENTS,
        'elif kind == b"acTL" and int.from_bytes(body[:4], "big") > 1:',
        "elif False:",
        f"{_GATE_TESTS}::test_animations_are_refused",
    ),
    Tooth(
        "places of no bytes are counted as often as a HEIC says",
        _BOXES,
        "if pieces_left < 0:",
        "if False:",
        f"{_HEIF_TESTS}::test_files_that_mislead_stay_within_memory_and_time",
    ),
    Tooth(
        "units that no picture needs are read without an end",
        _BOXES,
        "for _ in range(_MAX_UNITS):",
        "while True:",
        f"{_HEIF_TESTS}::test_files_that_mislead_stay_within_memory_and_time",
    ),
    Tooth(
        "an error of a decoder leaves the gate as it is",
        _GATE,
        "        raise damaged() from exc\n    width, height",
        "        raise\n    width, height",
        f"{_GATE_TESTS}::test_random_damage_never_escapes_as_another_error",
    ),
    # ---- reading an upload ----
    Tooth(
        "an upload that S3 stops sending in the middle counts as whole",
        "functions/vehiclevision/storage.py",
        'if len(data) != min(answer["ContentLength"], max_bytes + 1):',
        "if False:",
        "tests/unit/test_serialize_image.py",
    ),
    # ---- erasing ----
    Tooth(
        "a captured request is not told by its id",
        "erasing/captures.py",
        "known = captured.inference_id in self.inference_ids",
        "known = False",
        f"{_ERASE}::test_captured_requests_lose_its_lines_and_keep_the_others",
    ),
    Tooth(
        "the old version of a rewritten file stays",
        "erasing/captures.py",
        "    s3.delete_object(Bucket=file.bucket, Key=file.key, VersionId=file.version_id)\n",
        "",
        f"{_ERASE}::test_captured_requests_lose_its_lines_and_keep_the_others",
    ),
    Tooth(
        "what somebody wrote meanwhile is written over",
        "erasing/captures.py",
        ", IfMatch=etag)",
        ")",
        f"{_ERASE}::test_somebody_elses_write_is_not_overwritten",
    ),
    Tooth(
        "versions go before what only they tell of",
        "erasing/traces.py",
        "        *_runs(application, known),\n",
        "        *(Trace(Kind.VERSION, at, _deletion(application, bucket, key, at)) for at, _, _ in stored),\n"
        "        *(_record(application, record) for record in recorded),\n",
        f"{_ERASE}::test_a_run_that_breaks_off_is_finished_by_the_next",
    ),
    Tooth(
        "old versions of reviewed pictures stay",
        "erasing/traces.py",
        '(*page.get("Versions", []), *page.get("DeleteMarkers", []))',
        '[each for each in page.get("Versions", []) if each["IsLatest"]]',
        f"{_ERASE}::test_a_run_that_breaks_off_is_finished_by_the_next",
    ),
    # ---- the scheduled join ----
    Tooth(
        "an open gap is forgotten when the join moves on",
        "reconciling/sweep.py",
        "for gap in _still_open(parts)}",
        "for gap in ()}",
        f"{_SWEEP}::test_an_open_gap_is_told_until_it_is_closed",
    ),
    Tooth(
        "the position moves before the gap is written",
        "reconciling/sweep.py",
        "        for gap in found:\n",
        "        position = parts.ledger.move(position)\n        for gap in found:\n",
        f"{_SWEEP}::test_a_run_that_died_after_it_found_a_gap_finds_it_again",
    ),
    Tooth(
        "two runs of the join move the same position",
        "reconciling/ledger.py",
        '                ConditionExpression="attribute_not_exists(revision) OR revision = :seen",\n'
        '                ExpressionAttributeValues={":seen": {"N": str(position.revision)}},\n',
        "",
        f"{_SWEEP}::test_of_two_runs_at_once_one_goes_on",
    ),
    Tooth(
        "what is uploaded during a sweep counts as joined",
        "reconciling/sweep.py",
        "since=position.until, key_marker",
        "since=position.until + timedelta(hours=1), key_marker",
        f"{_SWEEP}::test_what_was_uploaded_while_a_sweep_went_on_is_found_by_the_next",
    ),
    # ---- putting right ----
    Tooth(
        "a letter goes before its photo is settled",
        "reconciling/repair.py",
        "if fix and letter.photo and left is None:",
        "if fix and letter.photo:",
        f"{_REPAIR}::test_letters_go_when_their_photo_is_settled_and_not_before",
    ),
    Tooth(
        "a dry run starts what it looks at",
        "reconciling/repair.py",
        "for each in repair(parts, list(distinct.values()))} if fix else {}",
        "for each in repair(parts, list(distinct.values()))}",
        f"{_REPAIR}::test_a_dry_run_changes_nothing",
    ),
    # ---- review on the page ----
    Tooth(
        "a photo whose word may still be undone is shown again",
        "monitoring/holding.py",
        'return _hold(desk, record, OWN, {":new": reviewer.deciding, **marks(reviewer)}, seconds)',
        'return _hold(desk, record, OWN, {":new": reviewer.mark, **marks(reviewer)}, seconds)',
        f"{_REVIEWING}::test_a_photo_whose_word_may_be_undone_is_shown_to_nobody",
    ),
    Tooth(
        "another may take back a word, or overrule it before it is said",
        "monitoring/holding.py",
        "{FREE} OR #held_by = :deciding",
        "{FREE} OR #held_by <> :deciding",
        f"{_REVIEWING}::test_a_photo_whose_word_may_be_undone_is_shown_to_nobody",
    ),
    # ---- the door of the page in AWS ----
    Tooth(
        "somebody of too small a role comes in",
        _SIGN_IN,
        "        if person.role < needed:\n",
        "        if False:\n",
        f"{_SHARED}::test_each_role_is_refused_where_it_should_be",
    ),
    Tooth(
        "a system needs no scope",
        _SIGN_IN,
        'if needed not in str(claims.get("scope", "")).split():',
        "if False:",
        f"{_SHARED}::test_a_system_needs_the_scope_and_comes_by_the_gateway_only",
    ),
    Tooth(
        "another page may have a signed-in browser decide",
        _SIGN_IN,
        ' and request.headers.get("origin") != self._pool.address',
        " and False",
        f"{_SHARED}::test_another_page_makes_nobody_decide",
    ),
    Tooth(
        "a token of another page's client is taken",
        _SIGN_IN,
        "audience=self.pool.client_id,",
        'audience=jwt.decode(token, options={"verify_signature": False})["aud"],',
        f"{_SHARED}::test_a_false_token_opens_nothing",
    ),
    Tooth(
        "a code that another browser began with signs in",
        _SIGN_IN,
        "not hmac.compare_digest(given.encode(), state.encode()) or ",
        "",
        f"{_SHARED}::test_a_code_that_another_browser_began_with_signs_nobody_in",
    ),
    Tooth(
        "signing in leads to another host",
        _SIGN_IN,
        '"/" + unquote(path).lstrip("/\\\\")',
        "unquote(path)",
        f"{_SHARED}::test_signing_in_leads_to_no_other_host",
    ),
    Tooth(
        "a system reads another's photos",
        "console/pages/partner.py",
        'return f"partner/{system}"',
        'return "partner"',
        f"{_SHARED}::test_no_system_reads_another_s_photo",
    ),
    # ---- what erases, joins and repairs in buckets of every kind ----
    Tooth(
        "others' captures go where a bucket keeps no versions",
        "erasing/captures.py",
        '        if kept_as.get("VersionId", UNVERSIONED) == file.version_id:',
        "        if False:",
        f"{_ERASE}::test_captures_without_versions_lose_its_lines_and_keep_the_others",
    ),
    Tooth(
        "what nobody can read is not erased",
        "erasing/traces.py",
        "        if code_of(error) not in MISSING | REFUSED:",
        "        if code_of(error) not in MISSING:",
        f"{_ERASE}::test_a_photo_that_nobody_can_read_is_erased_all_the_same",
    ),
    Tooth(
        "an upload in parts that began before the last sweep is lost",
        "reconciling/sweep.py",
        'position.since - PARTS_TAKE if is_first and "-" in version["ETag"] else position.since',
        "position.since",
        f"{_SWEEP}::test_an_upload_in_parts_is_found_though_it_is_as_old_as_its_beginning",
    ),
    Tooth(
        "a letter that others see already ends a repair",
        "reconciling/letters.py",
        "with contextlib.suppress(sqs.exceptions.MessageNotInflight):",
        "if True:",
        f"{_REPAIR}::test_a_letter_that_others_see_again_is_no_fault",
    ),
    Tooth(
        "a photo that may not be read holds up its batch",
        "backfilling/batch.py",
        "if status in (HTTPStatus.FORBIDDEN, HTTPStatus.BAD_REQUEST):",
        "if False:",
        f"{_BATCH}::test_one_photo_that_may_not_be_read_keeps_no_other_waiting",
    ),
    Tooth(
        "a bucket that may not be read starts runs in vain",
        "backfilling/batch.py",
        "if denied and len(denied) == len(batch.keys):",
        "if False:",
        f"{_BATCH}::test_a_bucket_that_may_not_be_read_fails_the_batch",
    ),
    # ---- what answers and labels may be ----
    Tooth(
        "a confidence that the table cannot hold leaves no record",
        "functions/vehiclevision/answer.py",
        "return float(value) if value >= LEAST_RECORDED else 0.0",
        "return float(value)",
        "tests/unit/test_answer.py::test_what_is_smaller_than_the_table_takes_is_nothing",
    ),
    Tooth(
        "of two corrections at once the picture keeps the wrong label",
        "monitoring/review.py",
        "if jpeg and digest and stands and stands.reviewed_label:",
        "if False:",
        "tests/unit/cli/test_review.py"
        "::test_of_two_corrections_at_once_the_picture_has_the_label_of_the_one_that_stands",
    ),
    Tooth(
        "a label is about the picture that lies over the one the model saw",
        "monitoring/review.py",
        '{} if record.version_id in ("", NO_VERSION) else',
        '{} if record.version_id in ("", NO_VERSION, "null") else',
        "tests/unit/cli/test_review.py::test_a_photo_of_before_its_bucket_had_versions_is_shown_itself",
    ),
    Tooth(
        "the page in AWS puts up for review what it may not read",
        "console/shared.py",
        "site.can_show = site.is_upload",
        "pass",
        f"{_SHARED}::test_what_the_function_may_not_read_is_put_up_for_nobody",
    ),
    # ---- what a model may be ----
    Tooth(
        "a model reads files beside it",
        "training/session.py",
        '    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)\n',
        "",
        f"{_ARTEFACT}::test_a_network_that_hides_what_it_reads_reads_nothing",
    ),
    Tooth(
        "a manifest's figures may be anything",
        "training/artefact.py",
        "if not isinstance(fields.get(name) or {}, dict):",
        "if False:",
        f"{_ARTEFACT}::test_a_manifest_that_does_not_fit_this_release_is_refused",
    ),
)
