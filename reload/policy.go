package reload

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// What a page's Content-Security-Policy says of the client. It is never changed: its author wants to see while
// developing what it does. If it has a nonce for scripts, ours carries it; if it stops the client,
// the terminal says what is missing.
//
// https://www.w3.org/TR/CSP3/

// A policy is the sources of each directive, in lower case but for those that are not names.
type policy map[string][]string

// policies returns those of a header and of the <meta> elements that have these contents.
func policies(header http.Header, metas []string) []policy {
	var all []policy
	add := func(text string, meta bool) {
		for one := range strings.SplitSeq(text, ",") {
			p := policy{}
			for directive := range strings.SplitSeq(one, ";") {
				words := strings.Fields(directive)
				if len(words) == 0 {
					continue
				}
				name := strings.ToLower(words[0])
				if _, twice := p[name]; !twice && !(meta && name == "sandbox") { // the first one counts
					p[name] = words[1:]
				}
			}
			if len(p) > 0 {
				all = append(all, p)
			}
		}
	}
	for _, text := range header["Content-Security-Policy"] {
		add(text, false)
	}
	for _, text := range metas {
		add(text, true)
	}
	return all
}

// effective returns the first of names that p has.
func (p policy) effective(names ...string) (name string, sources []string, ok bool) {
	for _, name := range names {
		if sources, ok := p[name]; ok {
			return name, sources, true
		}
	}
	return "", nil, false
}

func (p policy) script() (name string, sources []string, ok bool) {
	return p.effective("script-src-elem", "script-src", "default-src")
}

var nonceSource = regexp.MustCompile(`(?i)^'nonce-([A-Za-z0-9+/_-]+={0,2})'$`)

// nonce returns the nonce that a policy wants of a script, or "". A script has but one.
func nonce(policies []policy) string {
	for _, p := range policies {
		_, sources, _ := p.script()
		for _, source := range sources {
			if m := nonceSource.FindStringSubmatch(source); m != nil {
				return m[1]
			}
		}
	}
	return ""
}

// An obstacle is a directive that stops the client, and what would let it through.
type obstacle struct{ directive, add string }

// obstacles returns what in p stops a client that carries nonce, in a page on host.
func (p policy) obstacles(nonce, host string) []obstacle {
	var all []obstacle
	if tokens, ok := p["sandbox"]; ok {
		var lacks []string
		for _, token := range []string{"allow-scripts", "allow-same-origin"} {
			if !hasWord(tokens, token) {
				lacks = append(lacks, token)
			}
		}
		if lacks != nil {
			all = append(all, obstacle{p.text("sandbox"), "sandbox " + strings.Join(lacks, " ")})
		}
	}
	if name, sources, ok := p.script(); ok && !slices.Contains(nonces(sources), nonce) {
		switch {
		case hasWord(sources, "'strict-dynamic'"):
			all = append(all, obstacle{p.text(name), ownDirective(name, "script-src") + " 'nonce-…'"})
		case !allows(sources, host):
			all = append(all, obstacle{p.text(name), ownDirective(name, "script-src") + " 'self'"})
		}
	}
	if name, sources, ok := p.effective("connect-src", "default-src"); ok && !allows(sources, host) {
		all = append(all, obstacle{p.text(name), "connect-src 'self'"})
	}
	return all
}

// ownDirective is where to add a source: default-src would give it to everything.
func ownDirective(name, own string) string {
	if name == "default-src" {
		return own
	}
	return name
}

func nonces(sources []string) []string {
	var all []string
	for _, source := range sources {
		if m := nonceSource.FindStringSubmatch(source); m != nil {
			all = append(all, m[1])
		}
	}
	return all
}

// text is a directive as it would be written. Nonces are left out, as each answer has its own.
func (p policy) text(name string) string {
	words := []string{name}
	for _, source := range p[name] {
		if nonceSource.MatchString(source) {
			source = "'nonce-…'"
		}
		words = append(words, source)
	}
	return strings.Join(words, " ")
}

// allows reports whether sources may allow a URL of the page's own host. Ports, paths and schemes are
// not looked at: better no warning than a wrong one.
func allows(sources []string, host string) bool {
	host, _ = hostName(host)
	return slices.ContainsFunc(sources, func(source string) bool {
		source = strings.ToLower(source)
		switch source {
		case "'self'", "*", "http:", "https:":
			return true
		}
		if strings.HasPrefix(source, "'") {
			return false
		}
		if _, rest, ok := strings.Cut(source, "://"); ok {
			source = rest
		}
		source, _, _ = strings.Cut(source, "/")
		name, _, _ := strings.Cut(source, ":")
		suffix, wild := strings.CutPrefix(name, "*")
		return name == host || wild && strings.HasSuffix(host, suffix)
	})
}

func hasWord(words []string, word string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, word) })
}

// maxWarned is how many warnings are remembered, so as not to be repeated.
const maxWarned = 1000

// warned are the warnings that people have been given.
type warned struct {
	mu   sync.Mutex
	keys map[warning]bool
}

type warning struct {
	page string
	obstacle
}

// first reports whether it is asked so for the first time.
func (w *warned) first(page string, o obstacle) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := warning{page, o}
	if w.keys[key] {
		return false
	}
	if w.keys == nil || len(w.keys) >= maxWarned {
		w.keys = map[warning]bool{}
	}
	w.keys[key] = true
	return true
}
