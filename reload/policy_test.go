package reload

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func TestNonce(t *testing.T) {
	for policy, want := range map[string]string{
		"":                              "",
		"script-src 'self'":             "",
		"script-src 'nonce-abc' 'self'": "abc",
		"default-src 'nonce-d'; script-src-elem 'nonce-e'": "e",
		"default-src 'nonce-d'":                            "d",
		"default-src 'nonce-d'; script-src 'self'":         "",
		"style-src 'nonce-s'":                              "",
		"img-src x, script-src 'nonce-second'":             "second",
		"script-src 'nonce-a'; script-src 'nonce-b'":       "a",
		"SCRIPT-SRC\t 'NONCE-aB=='":                        "aB==",
		`script-src 'nonce-"><script>'`:                    "",
	} {
		if got := nonce(policies(http.Header{"Content-Security-Policy": {policy}}, nil)); got != want {
			t.Errorf("%q: got %q, want %q", policy, got, want)
		}
		if got := nonce(policies(nil, []string{policy})); got != want {
			t.Errorf("<meta> %q: got %q, want %q", policy, got, want)
		}
	}
}

// Which policies stop the client, and what they lack.
func TestObstacles(t *testing.T) {
	for _, test := range []struct{ policy, want string }{
		{"img-src 'none'", ""},
		{"script-src 'self'", ""},
		{"default-src 'self'", ""},
		{"default-src 'none'; script-src 'self'; connect-src 'self'", ""},
		{"script-src *; connect-src http:", ""},
		{"script-src http://localhost:3000/_devserve/", ""},
		{"script-src LOCALHOST:*; connect-src http://localhost:3000", ""},
		{"script-src *:3000; connect-src http://*:*", ""},
		{"script-src 'nonce-abc'", ""},
		{"script-src 'nonce-abc' 'strict-dynamic'", ""},
		{"default-src 'self'; script-src-elem 'self'; script-src 'none'", ""},
		{"require-trusted-types-for 'script'; trusted-types 'none'", ""},
		{"sandbox allow-scripts allow-same-origin", ""},

		{"script-src 'none'", "script-src 'none': script-src 'self'"},
		{"script-src", "script-src: script-src 'self'"},
		{"script-src 'unsafe-inline' https://cdn.test", "script-src 'unsafe-inline' https://cdn.test: script-src 'self'"},
		{"script-src 'self'; script-src-elem cdn.test", "script-src-elem cdn.test: script-src-elem 'self'"},
		{"script-src 'self' 'strict-dynamic' 'sha256-x'", "script-src 'self' 'strict-dynamic' 'sha256-x': script-src 'nonce-…'"},
		{"default-src 'none'", "default-src 'none': script-src 'self', default-src 'none': connect-src 'self'"},
		{"default-src 'nonce-abc'", "default-src 'nonce-…': connect-src 'self'"},
		{"connect-src data: blob: ws:", "connect-src data: blob: ws:: connect-src 'self'"},
		{"connect-src *.localhost", "connect-src *.localhost: connect-src 'self'"},
		{"connect-src https://api.test", "connect-src https://api.test: connect-src 'self'"},
		{"sandbox", "sandbox: sandbox allow-scripts allow-same-origin"},
		{"sandbox Allow-Scripts", "sandbox Allow-Scripts: sandbox allow-same-origin"},
		{"script-src 'nonce-abc', script-src 'nonce-other'", "script-src 'nonce-…': script-src 'self'"},
	} {
		all := policies(http.Header{"Content-Security-Policy": {test.policy}}, nil)
		var got []string
		for _, p := range all {
			for _, o := range p.obstacles(nonce(all), "localhost:3000") {
				got = append(got, o.directive+": "+o.add)
			}
		}
		if got := strings.Join(got, ", "); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.policy, got, test.want)
		}
	}
	if all := policies(nil, []string{"sandbox; img-src 'self'"}); len(all) != 1 || all[0].obstacles("", "localhost") != nil {
		t.Errorf("sandbox does not count in a <meta>: %v", all)
	}
}

// The element carries the nonce of a <meta>, as far as that is at hand.
func TestInjectNonceOfMeta(t *testing.T) {
	h := newHub(t, Options{})
	withNonce := strings.Replace(tag, "></", ` nonce="abc"></`, 1)
	const meta = `<meta http-equiv="Content-Security-Policy" content="script-src 'nonce-abc'">`
	for _, test := range []struct {
		name, html string // @ is the place of a tag with the nonce, # of one without
	}{
		{"first", `<!doctype html><head>@` + meta + `<title>x`},
		{"after others", `<head><meta charset=utf-8>@<!-- c --><meta name=viewport content=x><base href=/><title><meta></title><link rel=icon href=x> ` + meta + `<p>x`},
		{"no head", `<!doctype html>@<title>x</title>` + meta},
		{"upper case", `<head>@<META CONTENT="Script-Src 'nonce-abc'" HTTP-EQUIV=" content-security-policy "/>`},
		{"the last thing there is", `<head>@<title>x</title>` + meta},
		{"not in a title", `<head>#<title>` + meta + `</title><p>x`},
		{"not in a comment", `<head>#<!-- ` + meta + ` --><p>x`},
		{"not behind a script", `<head>#<script>1</script>` + meta},
		{"not in a body", `<head>#</head><body>` + meta},
		{"another meta", `<head>#<meta name="Content-Security-Policy" content="script-src 'nonce-abc'"><p>x`},
		{"only reported", `<head>#<meta http-equiv="Content-Security-Policy-Report-Only" content="script-src 'nonce-abc'"><p>x`},
	} {
		input := strings.NewReplacer("@", "", "#", "").Replace(test.html)
		want := strings.NewReplacer("@", withNonce, "#", tag).Replace(test.html)
		for name, pieces := range map[string]string{"whole": input, "in bytes": strings.Join(strings.Split(input, ""), "|"), "in halves": input[:len(input)/2] + "|" + input[len(input)/2:]} {
			if got := bodyOf(t, get(h.Inject(htmlOf(pieces)), request("GET", "/"))); got != want {
				t.Errorf("%s, %s:\n got %q\nwant %q", test.name, name, got, want)
			}
		}
	}
}

// People are told once for each page and directive, whatever the nonce, and the policy stays as it is.
func TestInjectWarnsOfPolicies(t *testing.T) {
	var log strings.Builder
	h := newHub(t, Options{Log: logTo(&log)})
	answers := 0
	handler := h.Inject(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answers++
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", fmt.Sprintf("default-src 'none'; script-src-elem 'nonce-%d'", answers))
		fmt.Fprint(w, `<head><meta http-equiv=Content-Security-Policy content="default-src 'none'"><title>x</title>`)
	}))
	ask := func(path string, headers ...string) string {
		log.Reset()
		res := get(handler, request("GET", path, headers...))
		if got, want := res.Header.Get("Content-Security-Policy"), fmt.Sprintf("default-src 'none'; script-src-elem 'nonce-%d'", answers); got != want {
			t.Errorf("the policy became %q", got)
		}
		var warnings []string
		for line := range strings.Lines(log.String()) {
			if _, text, ok := strings.Cut(line, "level=WARN "); ok {
				warnings = append(warnings, text)
			}
		}
		return strings.Join(warnings, "")
	}
	const want = `msg="the page's Content-Security-Policy stops devserve's client" pkg=reload url=%[1]s directive="default-src 'none'" add="connect-src 'self'"
msg="the page's Content-Security-Policy stops devserve's client" pkg=reload url=%[1]s directive="default-src 'none'" add="script-src 'self'"
`
	if got := ask("/data", "Sec-Fetch-Dest: empty"); got != "" {
		t.Errorf("of what is no page: %s", got)
	}
	for _, path := range []string{"/a", "/b"} {
		if got, want := ask(path), fmt.Sprintf(want, path); got != want {
			t.Errorf("got %swant %s", got, want)
		}
		if got := ask(path); got != "" {
			t.Errorf("again: %s", got)
		}
	}
	for i := range 2 * maxWarned {
		ask(fmt.Sprint("/many/", i))
	}
	if got := ask("/a"); got == "" {
		t.Error("the memory of warnings has no bound")
	}
}
