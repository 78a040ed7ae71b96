#!/bin/sh
# Lines and branches of the parsers that tests, corpora and fault scenarios reach (reliability A35:
# 98 and 92 % at least). Wants build/gcov, which `make coverage` builds: counters, no optimization.
set -eu
b=build/gcov
find $b -name '*.gcda' -exec rm {} +
# Without optimization a test about time may fail; what it reached counts all the same. Each suite is a
# process, as some name their folders alike.
for suite in corpus spoilt json gguf safetensors weights hf hf_config hf_extra hf_tokens hf_names hf_archs spm kv card \
    library listing ollama tok_json tok_around jinja jinja_cut jinja_edges jinja_kinds jinja_safe chat_template \
    chat_vars session_file lora/two_halves_are_one_and_a_saved_session_knows_them url http_header hubjson \
    partial config theme keys recipe recipe_file resume/a_journal_is_read_as_it_was_written nvfp4 hfquant fit str \
    hub_search remote; do
    $b/tests/plain $suite >$b/log 2>&1 || grep FAILED $b/log || true
done
$b/tests/faults --all json_tree json_pull gguf_open gguf_layout hf_open library_scan ollama_list \
    chat_templates hf_keys session_save recipe_save theme_and_keys answers >/dev/null
bad=0
while read -r f; do
    gcov -b -n -o "$b/obj/$(dirname "$f")" "$f" 2>/dev/null | awk -v f="$f" -F '[:%]' '
        /^File/ { mine = index($0, f) }
        mine && /^Lines executed/ { lines = $2 }
        mine && /^Taken at least once/ {
            printf "%-32s %6.2f %% of lines %6.2f %% of branches\n", f, lines, $2
            found = 1
            exit lines < 98 || $2 < 92 }
        END { if (!found) exit 1 }' ||
        { echo "coverage: $f is below 98 % of lines or 92 % of branches"; bad=1; }
done <<'LIST'
core/base/json_pull.c
core/base/json_tree.c
core/base/settings.c
core/base/utf8.c
core/base/num.c
core/files/gguf_read.c
core/files/safetensors.c
core/files/index.c
core/files/kv.c
core/files/spm.c
core/files/hf.c
core/files/hf_card.c
core/files/hf_class.c
core/files/hf_config.c
core/files/hf_name.c
core/files/hf_shards.c
core/files/hf_rope.c
core/files/hfquant_config.c
core/files/tok_json.c
core/files/tok_json_pre.c
core/files/tok_json_read.c
core/files/tok_special.c
core/files/hf_extra.c
core/files/hf_names.c
core/files/hf_tokens.c
core/files/listing.c
core/files/listing_hf.c
core/files/ollama.c
core/model/tools.c
core/model/jinja.c
core/model/jinja_case.c
core/model/jinja_filter_list.c
core/model/jinja_method.c
core/model/jinja_op.c
core/model/jinja_parse.c
core/model/jinja_text.c
core/model/jinja_wrap.c
core/model/jinja_clock.c
core/model/jinja_eval.c
core/model/jinja_expr.c
core/model/jinja_filter.c
core/model/jinja_filter_web.c
core/model/jinja_format.c
core/model/jinja_func.c
core/model/jinja_input.c
core/model/jinja_json.c
core/model/jinja_lex.c
core/model/jinja_node.c
core/model/jinja_path.c
core/model/jinja_run.c
core/model/jinja_test.c
core/model/jinja_value.c
core/model/session_file.c
core/quant/journal.c
core/quant/recipe_file.c
downloads/url.c
downloads/model_json.c
downloads/remote_sse.c
downloads/files_json.c
downloads/partial_state.c
tui/theme.c
tui/keys.c
LIST
exit $bad
