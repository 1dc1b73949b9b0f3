# lib.sh - what the checks share; sourced. A check calls row for each thing it looks at, and done at its end.
set -u
rows_bad=0

# row NAME [PROBLEM] - one line; anything in PROBLEM (it may be many lines) is a failure
row() {
	if [ -z "${2:-}" ]; then
		echo "ok $1"
	else
		echo "not ok $1: $(printf '%s' "$2" | head -n 20 | tr '\n' ';' | sed 's/;/; /g')"
		rows_bad=1
	fi
}

# files PATTERN... - the project's own files that match: what git knows, or would add
files() {
	git ls-files --cached --others --exclude-standard -- "$@" 2> /dev/null | sort -u | while read -r file; do
		[ ! -f "$file" ] || echo "$file"
	done
}

# code FILE - the file without comments and string literals, line numbers kept
code() {
	awk '{
		line = $0; out = ""
		while (line != "") {
			if (in_comment) {
				end = index(line, "*/")
				if (!end) { line = ""; break }
				line = substr(line, end + 2); in_comment = 0
			} else if (match(line, /\/\*|\/\/|"|\047/)) {
				mark = substr(line, RSTART, RLENGTH); out = out substr(line, 1, RSTART - 1)
				line = substr(line, RSTART + RLENGTH)
				if (mark == "/*") { in_comment = 1; out = out " " }
				else if (mark == "//") line = ""
				else {
					q = mark
					while (line != "" && substr(line, 1, 1) != q)
						line = substr(line, substr(line, 1, 1) == "\\" ? 3 : 2)
					line = substr(line, 2); out = out q q
				}
			} else { out = out line; line = "" }
		}
		print out
	}' "$1"
}

done_rows() { exit $rows_bad; }
