# apt-sources.awk - make entries for packages' sources, or for packages, from the machine's own apt set-up.
#
#   awk -v own=SUITE -v want=SUITE [-v base=1] [-v type=deb] -f apt-sources.awk FILE...
#
# Reads one-line (*.list) and deb822 (*.sources) files. Takes the entries of suite OWN with its -updates and -security,
# and prints them as deb822 entries of that type (deb-src), asked for suite WANT instead; with base=1 only OWN's own entry. Mirror,
# keyring and every other field stay as the machine has them, so apt authenticates what comes exactly as it does for the
# machine's own packages.

# renamed SUITE - the same suite of WANT, or "" where it is none of ours
function renamed(suite) {
	if (suite == own)
		return want
	if (!base && (suite == own "-updates" || suite == own "-security"))
		return want substr(suite, length(own) + 1)
	return ""
}

function emit(uris, suites, rest,    n, i, s, list) {
	n = split(suites, s, /[ \t\n]+/)
	for (i = 1; i <= n; i++)
		if (renamed(s[i]) != "")
			list = list " " renamed(s[i])
	if (list == "" || uris ~ /cdrom:/ || seen[uris list]++)
		return
	printf "Types: %s\nURIs: %s\nSuites:%s\n%s\n", type ? type : "deb-src", uris, list, rest
}

function end_stanza() {
	if (types ~ /deb/ && enabled !~ /^no/)
		emit(uris, suites, rest)
	types = uris = suites = rest = enabled = name = ""
}

FNR == 1 { end_stanza(); deb822 = FILENAME ~ /\.sources$/ }

# one-line: deb [ option=value ... ] uri suite component...
!deb822 && $1 == "deb" {
	line = $0
	rest = ""
	if (match(line, /\[[^]]*\]/)) {
		n = split(substr(line, RSTART + 1, RLENGTH - 2), o, /[ \t]+/)
		for (i = 1; i <= n; i++) {
			eq = index(o[i], "=")
			key = substr(o[i], 1, eq - 1)
			value = substr(o[i], eq + 1)
			gsub(/,/, " ", value)
			if (eq && key != "arch" && key != "target")
				rest = rest key ": " value "\n"
		}
		line = substr(line, 1, RSTART - 1) " " substr(line, RSTART + RLENGTH)
	}
	sub(/[ \t]#.*/, "", line)
	n = split(line, f, /[ \t]+/)
	comps = ""
	for (i = 4; i <= n; i++)
		comps = comps " " f[i]
	emit(f[2], f[3], rest "Components:" comps "\n")
	next
}
!deb822 { next }

# deb822: stanzas of "Field: value" with continuation lines (an embedded key, for one)
/^#/ { next }
/^[ \t]*$/ { end_stanza(); next }
/^[ \t]/ {
	if (name == "suites") suites = suites " " $0
	else if (name == "uris") uris = uris " " $0
	else if (name !~ /^(types|enabled|architectures|targets)$/) rest = rest $0 "\n"
	next
}
{
	colon = index($0, ":")
	name = tolower(substr($0, 1, colon - 1))
	value = substr($0, colon + 1)
	sub(/^[ \t]+/, "", value)
	if (name == "types") types = value
	else if (name == "uris") uris = value
	else if (name == "suites") suites = value
	else if (name == "enabled") enabled = value
	else if (name !~ /^(architectures|targets)$/) rest = rest $0 "\n"
}
END { end_stanza() }
