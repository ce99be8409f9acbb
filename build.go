package main

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/devserve/devserve/production"
	"github.com/urfave/cli/v2"
)

//go:embed help_build.txt
var helpBuild string

// buildFlags are the flags of devserve build.
func buildFlags(helpFlag cli.Flag) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "outdir", EnvVars: env("OUTDIR")},
		&cli.StringFlag{Name: "config", EnvVars: env("CONFIG")},
		&cli.StringFlag{Name: "base", EnvVars: env("BASE")},
		&cli.StringSliceFlag{Name: "entry", EnvVars: env("ENTRY")},
		&cli.StringSliceFlag{Name: "ignore", EnvVars: env("IGNORE")},
		&cli.StringSliceFlag{Name: "define", EnvVars: env("DEFINE")},
		&cli.BoolFlag{Name: "sourcemap", EnvVars: env("SOURCEMAP")},
		&cli.BoolFlag{Name: "no-minify", EnvVars: env("NO_MINIFY")},
		&cli.BoolFlag{Name: "quiet", EnvVars: env("QUIET")},
		helpFlag,
	}
}

// build makes what a web host serves, and shows what it made.
func build(c *cli.Context, stdout, stderr io.Writer) error {
	if c.NArg() > 1 {
		return usagef("too many arguments: one directory is built at a time, and %q is a second", c.Args().Get(1))
	}
	file, err := configure(c)
	if err != nil {
		return err
	}
	o := production.Options{
		Dir:       cmp.Or(c.Args().First(), file.dir, "."),
		OutDir:    c.String("outdir"),
		Base:      c.String("base"),
		Entries:   c.StringSlice("entry"),
		Ignore:    c.StringSlice("ignore"),
		SourceMap: c.Bool("sourcemap"),
		Readable:  c.Bool("no-minify"),
	}
	if o.Define, err = parseDefine(c.StringSlice("define")); err != nil {
		return err
	}
	r, err := production.Build(c.Context, o)
	switch {
	case errors.As(err, new(*production.OptionError)):
		return usageError{err}
	case c.Context.Err() != nil:
		return errors.New("interrupted: the former output stays")
	case err != nil:
		return err
	}
	quiet := c.Bool("quiet")
	t := newText(stderr, quiet)
	if !quiet {
		io.WriteString(stderr, t.diagnostics(t.yellow("warning"), r.Warnings))
	}
	if len(r.Errors) > 0 {
		io.WriteString(stderr, t.diagnostics(t.red("error"), r.Errors)+"\n")
		return fmt.Errorf("the build failed with %s: %s stays as it was", count(len(r.Errors), "error"), shorter(r.OutDir))
	}
	if quiet {
		return nil
	}
	if len(r.Warnings) > 0 {
		fmt.Fprintln(stderr)
	}
	_, err = io.WriteString(stdout, newText(stdout, false).built(o.Dir, r))
	return err
}

// built is the table of what a build made.
func (t *text) built(dir string, r production.Result) string {
	var b strings.Builder
	var shown []production.File
	maps, public, widest := 0, 0, 0
	for _, f := range r.Files {
		switch {
		case f.Public:
			public++
		case strings.HasSuffix(f.Name, ".map"):
			maps++
		default:
			shown = append(shown, f)
			widest = max(widest, cells(clean(f.Name)))
		}
	}
	b.WriteString("\n")
	for _, f := range shown {
		name := clean(f.Name)
		gzip := ""
		if f.Gzip > 0 {
			gzip = "   " + t.dim("gzip "+size(f.Gzip))
		}
		folder, base := "", name
		if i := strings.LastIndexByte(name, '/'); i >= 0 {
			folder, base = name[:i+1], name[i+1:]
		}
		fmt.Fprintf(&b, "  %s%s%s   %s%s\n", t.dim(folder), base, strings.Repeat(" ", widest-cells(name)), size(f.Size), gzip)
	}
	var rest []string
	if maps > 0 {
		rest = append(rest, count(maps, "source map"))
	}
	if public > 0 {
		rest = append(rest, count(public, "file")+" of public/")
	}
	if len(rest) > 0 {
		fmt.Fprintf(&b, "  and %s\n", strings.Join(rest, ", "))
	}
	fmt.Fprintf(&b, "\n  %s built %s into %s in %s\n\n", t.bold("devserve"), clean(dir), t.cyan(clean(shorter(r.OutDir))), took(r.Took))
	return b.String()
}

// size is n bytes as people read them, as wide as any other below a gigabyte.
func size(n int64) string { return fmt.Sprintf("%9.2f kB", float64(n)/1000) }

// shorter is path relative to the current directory if it lies below that.
func shorter(path string) string {
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, path); err == nil && filepath.IsLocal(rel) {
			return rel
		}
	}
	return path
}
