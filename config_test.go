package main

import (
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/devserve/devserve/command"
)

func TestConfigCommands(t *testing.T) {
	flags := configFlags(newApp(io.Discard, io.Discard))
	got, err := parseConfig("web/devserve.toml", []byte(`
port = 8080

[[cmd]]
run = "templ generate"
generate = true
watch = "**/*.templ"

[[cmd]]
name = "api"
run = "go run ."
dir = "../cmd/api"
env = { PORT = "9000", A = "b=c" }
ignore = []
`), flags)
	if err != nil {
		t.Fatal(err)
	}
	want := []command.Spec{
		{Line: "templ generate", Dir: "web", Generator: true, Watch: []string{"**/*.templ"}},
		{Name: "api", Line: "go run .", Dir: "cmd/api", Env: []string{"A=b=c", "PORT=9000"}, Ignore: []string{}},
	}
	if !reflect.DeepEqual(got.commands, want) {
		t.Errorf("got %+v, want %+v", got.commands, want)
	}
	if got.values["port"] != "8080" {
		t.Errorf("got %q", got.values)
	}

	for text, want := range map[string]string{
		"[[cmd]]\nrun = 1":                              `f.toml:2: run is 1, which must be a text in quotes`,
		"[[cmd]]\nrun = 'a'\n[[cmd]]\nname = 'b'":       `f.toml:3: a [[cmd]] without run: give the command, as in run = "go run ./cmd/api"`,
		"[[cmd]]\nrun = 'a'\n\ndri = 'b'":               `f.toml:4: unknown key "dri" in [[cmd]]: there are build, dir, name, run, env, ignore, watch and generate`,
		"[[cmd]]\nrun = 'a'\ngenerate = 'yes'":          `f.toml:3: generate is the text "yes", which must be true or false`,
		"[[cmd]]\nrun = 'a'\n[cmd.env]\nA = 1":          `f.toml:3: env is a table, which must be a list of texts`,
		"cmd = [{run = 'a'},\n 5]":                      `f.toml:1: one cmd is a table and another is 5: give all as [[cmd]]`,
		"open = 2020-01-01":                             `f.toml:1: open is a date or time, which must be true or false`,
		"ignore = [\"a\\nb\"]":                          `f.toml:1: ignore is a list, which must be a list of texts, each on one line`,
		"\n\ndir = ''":                                  `f.toml:3: dir is the text "", which must be the site's folder in quotes`,
		"quiet = true\n[a.b]\nc = 1\n[d]\n[[x.y]]\nz=1": `f.toml:2: unknown key "a": keys are the names of the flags, which devserve --help lists`,
	} {
		_, err := parseConfig("f.toml", []byte(text), flags)
		if err == nil || err.Error() != want {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add("port = 1\n[[cmd]]\nrun = 'a'\n[cmd.env]\nA = 'b'\n[define]\na.b = 'c'")
	flags := configFlags(newApp(io.Discard, io.Discard))
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := parseConfig("f.toml", []byte(text), flags); err != nil && !strings.HasPrefix(err.Error(), "f.toml") {
			t.Errorf("no place: %v", err)
		}
	})
}
