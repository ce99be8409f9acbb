package main

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func TestPermute(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", "--"},
		{"dir", "-- dir"},
		{"dir --port 80", "--port 80 -- dir"},
		{"--port 80 dir", "--port 80 -- dir"},
		{"--open dir -port=80 --ignore a --ignore b", "--open -port=80 --ignore a --ignore b -- dir"},
		{"--port --open", "--port --open --"}, // a value may look like a flag
		{"--open dir --", "--open -- dir"},
		{"-- --port", "-- --port"},
		{"a -- -b", "-- a -b"},
		{"-", "-- -"}, // which is not a flag
		{"notify", "notify --"},
		{"notify URL", "notify -- URL"},
		{"notify URL -h", "notify -h -- URL"},
		{"notify notify", "notify -- notify"},
		{"--quiet notify", "--quiet notify --"},
		{"-- notify", "-- ./notify"},
		{"./notify", "-- ./notify"},
		{"dir notify", "-- dir notify"},
	} {
		got, err := permute(newApp(io.Discard, io.Discard), strings.Fields(tt.in))
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("permute(%q) = %q, %v, want %q", tt.in, got, err, tt.want)
		}
	}
}

func TestPermuteRefuses(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"--prot 80", "unknown flag --prot: did you mean --port?"},
		{"-prot=80", "unknown flag -prot: did you mean --port?"},
		{"dir --strict", "unknown flag --strict: did you mean --strict-port?"},
		{"--opne", "unknown flag --opne: did you mean --open?"},
		{"--log", "unknown flag --log: did you mean --log-format?"},
		{"--turbo", "unknown flag --turbo: devserve --help lists them"},
		{"-p 80", "unknown flag -p: devserve --help lists them"},
		{"---port", "unknown flag ---port: did you mean --port?"},
		{"--=x", "unknown flag --: devserve --help lists them"},
		{"dir --port", "--port needs a value: devserve --help shows how"},
		{"notify --port 80", "unknown flag --port: devserve --help lists them"},
	} {
		_, err := permute(newApp(io.Discard, io.Discard), strings.Fields(tt.in))
		if !errors.As(err, new(usageError)) || err.Error() != tt.want {
			t.Errorf("permute(%q): %v, want %q", tt.in, err, tt.want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"port", "port", 0}, {"port", "prot", 2}, {"quiet", "quite", 2},
		{"host", "hosts", 1}, {"kitten", "sitting", 3},
	} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestHelpFitsTheScreen(t *testing.T) {
	for _, text := range []string{help, helpNotify} {
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		if len(lines) > 35 { // what a laptop's terminal has, and the shell's prompt
			t.Errorf("%d lines", len(lines))
		}
		for _, l := range lines {
			if len(l) > 80 {
				t.Errorf("%d columns: %s", len(l), l)
			}
		}
	}
}

func TestHelpNamesEveryFlag(t *testing.T) {
	app := newApp(io.Discard, io.Discard)
	for _, f := range app.Flags {
		name := "--" + f.Names()[0]
		if !slices.Contains(strings.Fields(help), name) {
			t.Errorf("no %s in the help", name)
		}
		env := f.(cli.DocGenerationFlag).GetEnvVars()
		want := []string{"DEVSERVE_" + strings.ToUpper(strings.ReplaceAll(name[2:], "-", "_"))}
		if name != "--help" && name != "--version" && !slices.Equal(env, want) {
			t.Errorf("%s has the environment variables %q, want %q", name, env, want)
		}
	}
	for _, c := range app.Commands {
		if c.Name != "help" && !strings.Contains(help, "devserve "+c.Name) {
			t.Errorf("no command %s in the help", c.Name)
		}
	}
}

func TestErrorsAreOneLineAndObeyNothing(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), []string{"no\x1b[2J\u202e\nsuch"}, &stdout, &stderr)
	want := "devserve: no such directory \"no\\x1b[2J\\u202e\\nsuch\": name the folder that holds index.html\n"
	if code != 1 || stdout.Len() > 0 || stderr.String() != want {
		t.Errorf("exit %d, stdout %q, stderr %q, want %q", code, &stdout, &stderr, want)
	}
	if got := plain(errors.New("server: a\nb\x1b[31m\u009b\u2066c")); got != "a b[31mc" {
		t.Errorf("got %q", got)
	}
}
