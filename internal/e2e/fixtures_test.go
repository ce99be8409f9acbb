package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"github.com/evanw/esbuild/pkg/api"
)

// installed are the fixtures whose packages are there, by name.
var installed sync.Map

// fixture returns a folder of fixtures, with its npm packages installed as its lock file says.
func fixture(name string) (string, error) {
	dir, err := filepath.Abs(filepath.Join("fixtures", name))
	if err != nil {
		return "", err
	}
	install, _ := installed.LoadOrStore(name, sync.OnceValue(func() error {
		// npm writes this file last.
		if _, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json")); err == nil {
			return nil
		}
		npm := exec.Command("npm", "ci")
		npm.Dir = dir
		if out, err := npm.CombinedOutput(); err != nil {
			return fmt.Errorf("npm ci in fixtures/%s: %w\n%s", name, err, out)
		}
		return nil
	}))
	return dir, install.(func() error)()
}

// useFixture gives the site the packages of a fixture, as files that share their content; see save.
func (s *scenario) useFixture(name string) error {
	dir, err := fixture(name)
	if err != nil {
		return err
	}
	from := filepath.Join(dir, "node_modules")
	return filepath.WalkDir(from, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		to := filepath.Join(s.dir, "node_modules", rel)
		switch {
		case d.IsDir() && d.Name() == ".bin":
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(to, 0o777)
		case os.Link(path, to) == nil:
			return nil
		}
		data, err := os.ReadFile(path) // on another file system
		if err != nil {
			return err
		}
		return os.WriteFile(to, data, 0o666)
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
