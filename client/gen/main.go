// Command gen bundles client/src into client/dist. Run it by "go generate ./client".
package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// run builds the scripts of the client package in dir and writes them to dir/dist.
func run(dir string) error {
	for _, b := range bundles {
		code, err := b.build(dir)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, b.out), code, 0o644); err != nil {
			return err
		}
	}
	return nil
}

type bundle struct {
	in, out        string
	banner, footer string
	names          *bundle // the bundle whose content becomes __devserve_version in this one
}

// stream is a module. Browsers share a worker among tabs by its URL, so the client asks for it by its version: a tab of an
// older devserve must not hold the worker of a newer one.
var stream = bundle{in: "src/worker.ts", out: "dist/stream.js"}

// The client's configuration stands in front of the minified code and not in it, since
// the server replaces text there and programs look for the literal `token: "…"`. The function
// around both keeps it out of the page's globals.
var bundles = []bundle{
	{
		in: "src/main.ts", out: "dist/client.js",
		banner: `(() => { "use strict"; const __devserve_config = {token: "__DEVSERVE_TOKEN__", base: "__DEVSERVE_BASE__"};`,
		footer: `})();`,
		names:  &stream,
	},
	{
		in: "src/preact.ts", out: "dist/preact.js",
		banner: `(() => { "use strict";`,
		footer: `})();`,
	},
	{in: "src/morph.ts", out: "dist/morph.js"}, // a module, loaded by import()
	{
		in: "src/react.ts", out: "dist/react.js",
		banner: `(() => { "use strict";`,
		footer: `})();`,
	},
	{
		in: "src/runtime.ts", out: "dist/runtime.js",
		banner: `(() => { "use strict";`,
		footer: `})();`,
	},
	stream,
}

// build returns the same bytes for the same sources, wherever dir lies.
func (b bundle) build(dir string) ([]byte, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	define := map[string]string{}
	if b.names != nil {
		code, err := b.names.build(dir)
		if err != nil {
			return nil, err
		}
		define["__devserve_version"] = fmt.Sprintf("%q", fmt.Sprintf("%x", sha256.Sum256(code))[:8])
	}
	r := api.Build(api.BuildOptions{
		Define:            define,
		AbsWorkingDir:     abs,
		EntryPoints:       []string{b.in},
		Bundle:            true,
		Format:            api.FormatESModule, // the banner is the function around it
		Target:            api.ES2020,
		Platform:          api.PlatformBrowser,
		Charset:           api.CharsetUTF8,
		MinifyWhitespace:  true,
		MinifySyntax:      true,
		MinifyIdentifiers: true,
		LegalComments:     api.LegalCommentsNone,
		TreeShaking:       api.TreeShakingTrue,
		Banner:            map[string]string{"js": b.banner},
		Footer:            map[string]string{"js": b.footer},
		Plugins:           []api.Plugin{{Name: "css", Setup: minifyCSS}},
		LogLevel:          api.LogLevelSilent,
	})
	if len(r.Errors) > 0 {
		return nil, errors.New(strings.Join(api.FormatMessages(r.Errors, api.FormatMessagesOptions{}), "\n"))
	}
	return r.OutputFiles[0].Contents, nil
}

// minifyCSS makes an imported style sheet a string, as small as esbuild can; its text
// loader alone would keep every space.
func minifyCSS(p api.PluginBuild) {
	p.OnLoad(api.OnLoadOptions{Filter: `\.css$`}, func(a api.OnLoadArgs) (api.OnLoadResult, error) {
		css, err := os.ReadFile(a.Path)
		if err != nil {
			return api.OnLoadResult{}, err
		}
		r := api.Transform(string(css), api.TransformOptions{
			Loader: api.LoaderCSS, Sourcefile: a.Path, MinifyWhitespace: true, MinifySyntax: true,
		})
		text := strings.TrimSpace(string(r.Code))
		return api.OnLoadResult{Contents: &text, Loader: api.LoaderText, Errors: r.Errors, Warnings: r.Warnings}, nil
	})
}
