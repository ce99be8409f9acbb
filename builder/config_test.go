package builder

import (
	"context"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// What other tools extend in a package.json is nothing to esbuild.
func TestExtendsOfOthers(t *testing.T) {
	s := newSite(t, txtar.Parse([]byte(`
-- package.json --
{"eslintConfig": {"extends": ["react-app", "./lint.json"]}}
-- lint.json --
{}
-- a.js --
1
`)), Options{})
	if _, err := s.b.Script(context.Background(), "a.js"); err != nil {
		t.Fatal(err)
	}
	_, looked := s.b.Inputs()
	if i := slices.IndexFunc(looked, func(path string) bool { return strings.Contains(path, "react-app") }); i >= 0 {
		t.Errorf("%s is watched", looked[i])
	}
	if s.b.isConfig(s.path("lint.json")) {
		t.Error("lint.json tells how to compile")
	}
}

// A file that comes and tells esbuild nothing leaves what was read of configurations.
func TestConfigsKept(t *testing.T) {
	s := newSite(t, txtar.Parse([]byte("-- tsconfig.json --\n{}\n-- a.js --\n1\n")), Options{})
	must(t, s.step("get a.js"))
	s.b.configs[s.dir] = config{sum: "kept"}
	must(t, s.step("write new.js 1"))
	if s.b.configs[s.dir].sum != "kept" {
		t.Error("read again though none has changed")
	}
	must(t, s.step(`write tsconfig.json {"compilerOptions": {}}`))
	if s.b.configs[s.dir].sum == "kept" {
		t.Error("kept though one has changed")
	}
}
