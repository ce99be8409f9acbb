// Command devserve serves a web site while somebody writes it: a save is on the screen
// a moment later.
//
//	files ──▶ watcher ──▶ builder ──▶ reload ──▶ client ──▶ page
//	           Batch       Result      event      hot API
//	                         │
//	flags ──▶ server ◀───────┘
//	            └─ Build ──▶ console ──▶ terminal
//
// Nothing is done here: package server wires the pipeline, this package reads the flags, opens
// the port and prints one line for each build.
package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/devserve/devserve/command"
	"github.com/devserve/devserve/reload"
	"github.com/devserve/devserve/server"
	"github.com/urfave/cli/v2"
)

// They fit a terminal of 80 columns.
var (
	//go:embed help.txt
	help string
	//go:embed help_notify.txt
	helpNotify string
)

const (
	// grace is what answers under way get to end after a signal: long enough for
	// a file, too short to be noticed. Browsers keep connections open that they
	// never use, so it often passes in full.
	grace = 200 * time.Millisecond

	// twice is how soon a signal may come again without being a second one: go tool passes on the Ctrl+C that
	// the terminal has sent to us too.
	twice = grace / 2

	notifyTimeout = 5 * time.Second
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// run is main with everything passed in. It returns the exit code: 0 after a signal or when
// there is nothing left to do, 1 for a failure, 2 for a call that cannot mean anything.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(withParent(ctx), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() { time.AfterFunc(twice, stop) }) // a second signal ends the process as it would any other
	// Whoever reads our output may go away (| head); then writing fails, and nothing else.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)

	app := newApp(stdout, stderr)
	args, err := permute(app, args)
	if err == nil {
		err = app.RunContext(ctx, append([]string{app.Name}, args...))
	}
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "devserve: %s\n", plain(err))
	if errors.As(err, new(usageError)) {
		return 2
	}
	return 1
}

// plain is err for a person: without the package that found it, on one line.
func plain(err error) string {
	text := err.Error()
	for _, pkg := range []string{"server: ", "watcher: ", "reload: ", "builder: ", "command: ", "production: "} {
		text = strings.TrimPrefix(text, pkg)
	}
	return clean(strings.ReplaceAll(text, "\n", " "))
}

func newApp(stdout, stderr io.Writer) *cli.App {
	helpFlag := &cli.BoolFlag{Name: "help", Aliases: []string{"h"}}
	return &cli.App{
		Name: "devserve",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "host", EnvVars: env("HOST")},
			&cli.StringFlag{Name: "port", EnvVars: env("PORT")},
			&cli.BoolFlag{Name: "strict-port", EnvVars: env("STRICT_PORT")},
			&cli.BoolFlag{Name: "open", EnvVars: env("OPEN")},
			&cli.StringFlag{Name: "base", EnvVars: env("BASE")},
			&cli.StringSliceFlag{Name: "proxy", EnvVars: env("PROXY")},
			&cli.StringFlag{Name: "backend", EnvVars: env("BACKEND")},
			&cli.StringSliceFlag{Name: "cmd", EnvVars: env("CMD")},
			&cli.StringSliceFlag{Name: "watch", EnvVars: env("WATCH")},
			&cli.StringSliceFlag{Name: "ignore", EnvVars: env("IGNORE")},
			&cli.StringSliceFlag{Name: "define", EnvVars: env("DEFINE")},
			&cli.StringSliceFlag{Name: "allow-host", EnvVars: env("ALLOW_HOST")},
			&cli.StringSliceFlag{Name: "allow-origin", EnvVars: env("ALLOW_ORIGIN")},
			&cli.StringFlag{Name: "cache", EnvVars: env("CACHE")},
			&cli.BoolFlag{Name: "poll", EnvVars: env("POLL")},
			&cli.BoolFlag{Name: "no-hmr", EnvVars: env("NO_HMR")},
			&cli.BoolFlag{Name: "trace", EnvVars: env("TRACE")},
			&cli.BoolFlag{Name: "quiet", EnvVars: env("QUIET")},
			&cli.StringFlag{Name: "log-format", EnvVars: env("LOG_FORMAT")},
			&cli.StringFlag{Name: "config", EnvVars: env("CONFIG")},
			&cli.BoolFlag{Name: "version", Aliases: []string{"v"}},
			helpFlag,
		},
		Commands: []*cli.Command{
			{Name: "notify", Flags: []cli.Flag{helpFlag}, OnUsageError: onUsageError, Action: func(c *cli.Context) error {
				if c.Bool("help") {
					return show(stdout, helpNotify)
				}
				return notify(c, stdout)
			}},
			{Name: "build", Flags: buildFlags(helpFlag), OnUsageError: onUsageError, Action: func(c *cli.Context) error {
				if c.Bool("help") {
					return show(stdout, helpBuild)
				}
				return build(c, stdout, stderr)
			}},
			{Name: "help", OnUsageError: onUsageError, Action: func(*cli.Context) error { return show(stdout, help) }},
		},
		Action: func(c *cli.Context) error {
			switch {
			case c.Bool("help"):
				return show(stdout, help)
			case c.Bool("version"):
				return show(stdout, version())
			}
			o, err := parseOptions(c)
			if err != nil {
				return err
			}
			return serve(c.Context, o, newConsole(stdout, o), stderr)
		},
		// In the environment a list has one value a line: globs and definitions contain commas.
		SliceFlagSeparator: "\n",
		HideVersion:        true,
		OnUsageError:       onUsageError,
		ExitErrHandler:     func(*cli.Context, error) {}, // ours is run
		Writer:             io.Discard,                   // we print all there is
		ErrWriter:          io.Discard,
	}
}

func init() { cli.HelpFlag = nil } // it takes a directory for a topic; ours is in newApp

func show(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}

func env(name string) []string { return []string{"DEVSERVE_" + name} }

func onUsageError(_ *cli.Context, err error, _ bool) error { return usageError{err} }

// notify tells a devserve that runs elsewhere to reload its pages.
func notify(c *cli.Context, stdout io.Writer) error {
	if c.NArg() > 1 {
		return usagef("too many arguments: notify takes one URL, http://localhost:%d/ if there is none", defaultPort)
	}
	url := c.Args().First()
	if url == "" {
		url = fmt.Sprintf("http://localhost:%d/", defaultPort)
	}
	ctx, cancel := context.WithTimeout(c.Context, notifyTimeout)
	defer cancel()
	if err := reload.Notify(ctx, url, "devserve notify"); err != nil {
		return fmt.Errorf("%w: give the URL that devserve shows when it starts: devserve notify URL", err)
	}
	_, err := fmt.Fprintf(stdout, "The pages of %s reload.\n", clean(url))
	return err
}

// serve runs until ctx is done, which is how it should end, or something fails.
func serve(ctx context.Context, o options, out *console, stderr io.Writer) error {
	began := time.Now()
	defer out.close(grace)

	o.OnBuild = func(b server.Build) { out.tell(b) }
	if o.trace {
		o.OnTrace = func(t server.Trace) { out.tell(t) }
	}
	o.OnReload = func(reason string) { out.tell(reloading{reason}) }
	o.OnProgress = out.progress
	o.OnOpen = newEditors(out).open
	o.OnCommand = func(s command.State, errors []server.Diagnostic) {
		if s.Phase != command.Stopped || ctx.Err() == nil {
			out.tell(commandState{s, errors})
		}
	}
	o.OnOutput = func(name, line string) { out.output(ctx, name, line) }
	o.Log = slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: withoutTime}))
	site, err := server.New(o.Options)
	if err != nil {
		if info, statErr := os.Stat(o.Dir); statErr == nil && info.IsDir() {
			err = usageError{err} // what else New looks at are the flags
		}
		return err
	}
	listeners, err := listen(o.host, o.port, o.strictPort)
	if err != nil {
		return err
	}
	for _, l := range listeners {
		defer l.Close()
	}

	if o.config.path != "" {
		end, err := watchConfig(o.config, o.flags, out)
		if err != nil {
			return err
		}
		defer end()
	}
	ended := make(chan error, 1+len(listeners))
	go func() { ended <- site.Run(ctx) }()
	select {
	case <-site.Ready(): // before anything is served, so that no page is older than the watch
	case err := <-ended:
		return err
	}
	web := &http.Server{
		Handler:           site,
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    28 << 10, // 32 KB with the 4 that Go adds
		ErrorLog:          log.New(out, "", 0),

		DisableGeneralOptionsHandler: true, // it would answer OPTIONS * under any Host
	}
	for _, l := range listeners {
		go func() { ended <- web.Serve(l) }()
	}
	addr := listeners[0].Addr().(*net.TCPAddr)
	local, network := urls(o.host, addr, o.Base)
	dir := o.Dir
	if abs, err := filepath.Abs(dir); err == nil && dir == "." {
		dir = abs
	}
	if !addr.IP.IsLoopback() && (o.quiet || o.json) { // not even then without a word
		fmt.Fprintf(stderr, "devserve: --host %s: %s\n", clean(o.host), exposed)
	}
	out.tell(ready{dir: dir, local: local, network: network, port: addr.Port, wanted: o.port, took: time.Since(began)})
	if o.open {
		go openBrowser(append(local, network...)[0], out) // for as long as the browser runs, on some systems
	}

	select {
	case <-ctx.Done():
	case err = <-ended:
	}
	shutdown(site, web)
	out.tell(stopped{})
	return err
}

// shutdown ends the event streams, gives answers under way a moment, and cuts the rest off. Commands may take longer.
func shutdown(site *server.Server, web *http.Server) {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	web.RegisterOnShutdown(func() { site.Close() }) // or Shutdown would wait for the streams
	if web.Shutdown(ctx) != nil {
		web.Close()
	}
	site.Close()
}

func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}
