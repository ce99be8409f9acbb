package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/evanw/esbuild/pkg/api"
)

// installed are the folders whose packages are there.
var installed sync.Map

// fixture returns a folder of fixtures, with its npm packages.
func fixture(name string) (string, error) { return withPackages("fixtures", name) }

// withPackages returns a folder with its npm packages installed as its lock file says.
func withPackages(folder, name string) (string, error) {
	dir, err := filepath.Abs(filepath.Join(folder, name))
	if err != nil {
		return "", err
	}
	install, _ := installed.LoadOrStore(dir, sync.OnceValue(func() error {
		// npm writes this file last.
		if _, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json")); err == nil {
			return nil
		}
		npm := exec.Command("npm", "ci")
		npm.Dir = dir
		if out, err := npm.CombinedOutput(); err != nil {
			return fmt.Errorf("npm ci in %s/%s: %w\n%s", folder, name, err, out)
		}
		return nil
	}))
	return dir, install.(func() error)()
}

// useFixture gives the site the folders of a fixture: its packages, as files that share their content (see save), and
// what it has in place of the site's own files.
func (s *scenario) useFixture(name string) error {
	dir, err := fixture(name)
	if err != nil {
		return err
	}
	return s.copy(dir, false)
}

// useExample makes the site a copy of an example, with its packages.
func (s *scenario) useExample(name string) error {
	dir, err := withPackages("../../examples", name)
	if err != nil {
		return err
	}
	return s.copy(dir, true)
}

// copy puts the folders in dir into the site, and the files beside them if they are wanted.
func (s *scenario) copy(dir string, files bool) error {
	return filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && d.Name() == ".bin":
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(s.path(rel), 0o777)
		case filepath.Dir(rel) == "." && !files:
			return nil // npm's
		case strings.HasPrefix(rel, "node_modules") && os.Link(path, s.path(rel)) == nil:
			return nil
		}
		data, err := os.ReadFile(path) // the site's own, or on another file system
		if err != nil {
			return err
		}
		return s.save(filepath.ToSlash(rel), data)
	})
}

// useWebpackClient bundles webpack-hot-middleware's client as webpack would, so that it runs in a page
// that webpack has not made. What webpack's own runtime gives, the page gives: window.webpack is module.hot,
// and window.webpackHash the hash of the page's bundle.
func (s *scenario) useWebpackClient(file, query string) error {
	dir, err := fixture("whm")
	if err != nil {
		return err
	}
	r := api.Build(api.BuildOptions{
		EntryPoints: []string{"webpack-hot-middleware/client.js"}, AbsWorkingDir: dir, Bundle: true, Outfile: "out.js",
		Define: map[string]string{
			"__resourceQuery": quote("?" + query), "__webpack_hash__": "window.webpackHash",
		},
		Plugins: []api.Plugin{{Name: "module.hot", Setup: func(b api.PluginBuild) {
			b.OnLoad(api.OnLoadOptions{Filter: `[/\\]process-update\.js$`}, func(args api.OnLoadArgs) (api.OnLoadResult, error) {
				data, err := os.ReadFile(args.Path)
				contents := "module.hot = window.webpack;" + string(data)
				return api.OnLoadResult{Contents: &contents}, err
			})
		}}},
	})
	if len(r.Errors) > 0 {
		return fmt.Errorf("esbuild: %s", r.Errors[0].Text)
	}
	return s.save(file, r.OutputFiles[0].Contents)
}
