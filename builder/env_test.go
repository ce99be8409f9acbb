package builder

import (
	"maps"
	"testing"

	"golang.org/x/tools/txtar"
)

// The values are those that dotenv 17 and dotenv-expand 12 read, save for the last, which are named later than they are used:
// that is Vite's.
func TestParseEnv(t *testing.T) {
	t.Setenv("FROM_OUTSIDE", "outside")
	t.Setenv("EMPTY_OUTSIDE", "")
	for _, test := range []struct{ file, want string }{
		{"VITE_A=1", "1"},
		{"VITE_A = 1 ", "1"},
		{"export VITE_A=1", "1"},
		{"VITE_A: 1", "1"},
		{"VITE_A=", ""},
		{"VITE_A=1\nVITE_A=2", "2"},
		{"\uFEFFVITE_A=1\r\nB=2\r\n", "1"},
		{"# VITE_A=0\n\n   VITE_A=1", "1"},
		{"VITE_A=a b # c", "a b"},
		{"VITE_A=a#b", "a"},
		{"VITE_A='a # b' # c", "a # b"},
		{`VITE_A="a # b"`, "a # b"},
		{"VITE_A=`a \"b\" 'c'`", `a "b" 'c'`},
		{`VITE_A="a\nb\r"`, "a\nb\r"},
		{`VITE_A='a\nb'`, `a\nb`},
		{`VITE_A=a\nb`, `a\nb`},
		{"VITE_A=\"a\nb\"\nB=c", "a\nb"},
		{`VITE_A="a \"b\""`, `a \"b\"`},
		{`VITE_A={"a": "b"}`, `{"a": "b"}`},
		{`VITE_A="a`, `"a`},
		{"VITE_A=a=b", "a=b"},
		{"no line\n=x\nVITE_A=1", "1"},

		// https://vite.dev/guide/env-and-mode: KEY is 123
		{"KEY=123\nVITE_A=test$foo", "test"},
		{"KEY=123\nVITE_A=test\\$foo", "test$foo"},
		{"KEY=123\nVITE_A=test$KEY", "test123"},

		{"B=b\nVITE_A='$B'", "b"},
		{"VITE_A=a$", "a$"},
		{"VITE_A=$1$-${}$", "$1$-${}$"},
		{"VITE_A=\"a#3$LC#5\"", "a#3#5"},
		{"B=b\nVITE_A=${B}c$B.$B-$", "bcb.b-$"},
		{"VITE_A=${B:-none}", "none"},
		{"VITE_A=${B-none}", "none"},
		{"B=b\nVITE_A=${B:-none}", "b"},
		{"B=b\nVITE_A=${B:+some}${C:+some}", "some"},
		{"C=c\nVITE_A=${B:-${C:-none}}", "c"},
		{"C=c\nVITE_A=${B:-$C}", "c"},
		{"C=c\nVITE_A=${B:-\\$C}", "$C"},
		{"B=\\$C\nC=c\nVITE_A=$B", "$C"},
		{"VITE_A=\\${B}", "${B}"},
		{"VITE_A=$FROM_OUTSIDE", "outside"},
		{"FROM_OUTSIDE=inside\nVITE_A=$FROM_OUTSIDE", "outside"},
		{"EMPTY_OUTSIDE=inside\nVITE_A=$EMPTY_OUTSIDE", ""},
		{"VITE_A=a$VITE_A", "a"},

		{"VITE_A=foo${VITE_BAR}\nVITE_BAR=bar", "foobar"},
		{"VITE_A=a$B\nB=b$VITE_A", "ab"},
	} {
		read := parseEnv(test.file)
		if got := (expansion{read: read, open: map[string]bool{}}).value("VITE_A"); got != test.want {
			t.Errorf("%q: got %q, want %q (%q)", test.file, got, test.want, read)
		}
	}
}

func FuzzParseEnv(f *testing.F) {
	f.Add("A=$B\nB=${A:-\"${C}\"}\n")
	f.Add("A='\\$B`")
	f.Fuzz(func(t *testing.T, text string) {
		read := parseEnv(text)
		for name := range read {
			expansion{read: read, open: map[string]bool{}}.value(name) // comes to an end
		}
	})
}

// Which files count, which of them wins, and that the environment wins over all.
func TestEnvFiles(t *testing.T) {
	t.Setenv("VITE_OUTSIDE", "outside")
	t.Setenv("PUBLIC_ONLY", "$VITE_ONE")
	t.Setenv("SECRET", "outside")
	s := newSite(t, txtar.Parse([]byte(`
-- .env --
VITE_ONE=.env
VITE_TWO=.env
VITE_THREE=.env
VITE_FOUR=.env
VITE_OUTSIDE=.env
PUBLIC_FIVE=.env $SECRET_KEY
SECRET_KEY=key
DEVSERVE_PORT=1
XVITE_=1
-- .env.local --
VITE_TWO=.env.local
VITE_THREE=.env.local
VITE_FOUR=.env.local
-- .env.development --
VITE_THREE=.env.development
VITE_FOUR=.env.development
-- .env.development.local --
VITE_FOUR=.env.development.local
-- .env.production --
VITE_THREE=.env.production
-- .env.test --
VITE_ONE=.env.test
-- src/.env --
VITE_ONE=src/.env
`)), Options{Base: "/sub/"})
	development := map[string]any{
		"BASE_URL": "/sub/", "MODE": "development", "DEV": true, "PROD": false, "SSR": false,
		"VITE_ONE": ".env", "VITE_TWO": ".env.local", "VITE_THREE": ".env.development", "VITE_FOUR": ".env.development.local",
		"PUBLIC_FIVE": ".env key", "VITE_OUTSIDE": "outside", "PUBLIC_ONLY": "$VITE_ONE",
	}
	production := maps.Clone(development)
	maps.Copy(production, map[string]any{"MODE": "production", "DEV": false, "PROD": true, "VITE_THREE": ".env.production", "VITE_FOUR": ".env.local"})
	for mode, want := range map[string]map[string]any{"development": development, "production": production} {
		if got := s.b.env(mode); !maps.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", mode, got, want)
		}
	}
}
