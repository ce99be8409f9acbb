package builder

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// What modules read as import.meta.env.NAME comes from .env files in the site's folder and from the environment that devserve
// was started in, as with Vite (https://vite.dev/guide/env-and-mode). They read it when they run, so what they are compiled
// to has nothing of it, and a new value compiles nothing: pages are loaded anew.
//
// godotenv is not used: it knows no backquotes, no ${NAME:-default}, and no names of another file or of the environment.

const development = "development" // the mode of a server; that of a release is production

// publicPrefixes are those of names that pages may see: Vite's, and the one that Astro and SvelteKit use, which says what it
// does. Everything else in .env files is for servers. DEVSERVE_ is none of them: it is that of our flags.
var publicPrefixes = []string{"VITE_", "PUBLIC_"}

// envFiles lists the files that count in a mode; a later one wins.
func envFiles(mode string) []string {
	return []string{".env", ".env.local", ".env." + mode, ".env." + mode + ".local"}
}

func isEnv(path string) bool {
	base := filepath.Base(path)
	return base == ".env" || strings.HasPrefix(base, ".env.")
}

// vars are what pages may see of .env files and of the environment. why says which file made next another than good.
type vars struct {
	next, good map[string]string
	why        string
}

// env is what import.meta.env shows.
func (b *Builder) env(mode string) map[string]any {
	production := mode == "production"
	env := map[string]any{"BASE_URL": b.resolver.base, "MODE": mode, "DEV": !production, "PROD": production, "SSR": false}
	public := b.vars.good
	if mode != development {
		public = publicVars(b.resolver.dir, mode)
	} else if public == nil {
		public = publicVars(b.resolver.dir, mode)
		b.vars.next, b.vars.good = public, public
	}
	for name, value := range public {
		env[name] = value
	}
	return env
}

// envChanged takes in that the file at path changed, and says whether a page sees something of it.
func (b *Builder) envChanged(path string) bool {
	dir, base := filepath.Split(path)
	if b.vars.good == nil || filepath.Clean(dir) != b.resolver.dir || !slices.Contains(envFiles(development), base) {
		return false
	}
	b.vars.next = publicVars(b.resolver.dir, development)
	if maps.Equal(b.vars.next, b.vars.good) {
		return false
	}
	var names []string
	for _, name := range sortedKeys(b.vars.next) {
		if old, ok := b.vars.good[name]; !ok || old != b.vars.next[name] {
			names = append(names, name)
		}
	}
	for _, name := range sortedKeys(b.vars.good) {
		if _, ok := b.vars.next[name]; !ok {
			names = append(names, name)
		}
	}
	b.vars.why = base + " changed " + strings.Join(names, ", ")
	return true
}

// commitEnv makes the next variables those of pages, and says why they must be loaded anew, if they must.
func (b *Builder) commitEnv() (reload string) {
	if maps.Equal(b.vars.next, b.vars.good) {
		return ""
	}
	for _, vars := range []map[string]string{b.vars.good, b.vars.next} {
		text, _ := json.Marshal(vars) // strings always marshal
		b.mix("env", string(text))
	}
	b.vars.good = b.vars.next
	b.version++
	return b.vars.why
}

// publicVars reads what pages may see in a mode. A file that cannot be read is none.
func publicVars(dir, mode string) map[string]string {
	read := map[string]string{}
	for _, name := range envFiles(mode) {
		if data, err := readRegular(filepath.Join(dir, name)); err == nil {
			maps.Copy(read, parseEnv(string(data)))
		}
	}
	public := map[string]string{}
	x := expansion{read: read, open: map[string]bool{}}
	for name := range read {
		if isPublic(name) {
			public[name] = x.value(name)
		}
	}
	for _, pair := range os.Environ() {
		if name, value, _ := strings.Cut(pair, "="); isPublic(name) {
			public[name] = value
		}
	}
	return public
}

func isPublic(name string) bool {
	return slices.ContainsFunc(publicPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// envLine is a line NAME=value as dotenv has it: in quotes of one of three kinds a value may go over several lines, without
// any it ends before a #. (https://github.com/motdotla/dotenv/blob/master/lib/main.js)
var envLine = regexp.MustCompile(`(?m)^\s*(?:export\s+)?([\w.-]+)(?:\s*=\s*?|:\s+?)` +
	`(\s*'(?:\\'|[^'])*'|\s*"(?:\\"|[^"])*"|\s*` + "`(?:\\\\`|[^`])*`" + `|[^#\n]+)?\s*(?:#.*)?$`)

func parseEnv(text string) map[string]string {
	text = strings.ReplaceAll(strings.ReplaceAll(strings.TrimPrefix(text, "\uFEFF"), "\r\n", "\n"), "\r", "\n")
	out := map[string]string{}
	for _, m := range envLine.FindAllStringSubmatch(text, -1) {
		value := strings.TrimSpace(m[2])
		if n := len(value); n > 1 && strings.ContainsRune("'\"`", rune(value[0])) && value[n-1] == value[0] {
			if value[0] == '"' {
				value = strings.NewReplacer(`\n`, "\n", `\r`, "\r").Replace(value)
			}
			value = value[1 : len(value)-1]
		}
		out[m[1]] = value
	}
	return out
}

// An expansion puts values in the place of names, as dotenv-expand does: $NAME, ${NAME}, ${NAME:-if there is none},
// ${NAME:+if there is one}; \$ is a dollar. A value of the environment wins. The order of lines does not matter, as with Vite.
type expansion struct {
	read map[string]string
	open map[string]bool // names whose values are being expanded
}

// Braces hold no braces: what stands inside others is replaced first.
var reference = regexp.MustCompile(`\\\$|\$\{([\w.]+)(?:(:?[-+])([^{}]*))?\}|\$([A-Za-z_]\w*)`)

func (x expansion) value(name string) string {
	if value, ok := os.LookupEnv(name); ok {
		return value
	}
	if x.open[name] {
		return "" // it is made of itself
	}
	x.open[name] = true
	defer delete(x.open, name)
	return x.expand(x.read[name])
}

func (x expansion) expand(text string) string {
	const escaped = `\$`
	for {
		found := reference.FindAllStringSubmatchIndex(text, -1)
		found = slices.DeleteFunc(found, func(m []int) bool { return text[m[0]:m[1]] == escaped })
		if len(found) == 0 {
			return strings.ReplaceAll(text, escaped, "$")
		}
		group := func(i int) string {
			m := found[0]
			if m[2*i] < 0 {
				return ""
			}
			return text[m[2*i]:m[2*i+1]]
		}
		value := strings.ReplaceAll(x.value(group(1)+group(4)), "$", escaped)
		switch op := strings.TrimPrefix(group(2), ":"); {
		case op == "-" && value == "", op == "+" && value != "":
			value = group(3) // what it names comes next
		case op == "+":
			value = ""
		}
		text = text[:found[0][0]] + value + text[found[0][1]:]
	}
}
