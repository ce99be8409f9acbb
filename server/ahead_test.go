package server

import (
	"slices"
	"testing"
	"time"
)

func TestModulesOf(t *testing.T) {
	for _, test := range []struct {
		name, page, base string
		want             []string
	}{
		{"as it is usually written", `<script type="module" src="/src/main.tsx"></script>`, "/", []string{"src/main.tsx"}},
		{"relative", `<script type=module src=main.ts>`, "/", []string{"main.ts"}},
		{"several", `<SCRIPT TYPE=Module SRC="./a.js"></SCRIPT><script type="module" src=" /b.js?v=1#x "></script>`, "/", []string{"a.js", "b.js"}},
		{"below a base", `<script type=module src="main.ts"></script><script type=module src="/sub/a.ts"></script><script type=module src="/b.ts"></script>`, "/sub/", []string{"main.ts", "a.ts"}},
		{"of a page with a base of its own", `<base href="/app/"><script type=module src="main.ts"></script>`, "/", []string{"app/main.ts"}},
		{"of others", `<script type=module src="https://cdn.example.com/a.js"></script><script type=module src="//b.example.com/b.js"></script>`, "/", nil},
		{"no modules", `<script src="a.js"></script><script type=module>import "/b.js"</script><!-- <script type=module src=c.js> -->`, "/", nil},
		{"nothing", "", "/", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := modulesOf([]byte(test.page), test.base); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestPrepare waits for the first build without any request.
func TestPrepare(t *testing.T) {
	built := make(chan Build, 10)
	s := newServer(t, Options{
		Dir: writeSite(t, map[string]string{
			"index.html":  `<script type="module" src="/broken.ts"></script><script type="module" src="/public.js"></script><script type="module" src="/main.ts"></script>`,
			"broken.ts":   "let a = ]",
			"main.ts":     `import "./greet"`,
			"greet.ts":    "export {}",
			"public/x.js": "",
		}),
		OnBuild: func(b Build) { built <- b },
	})
	run(t, s)
	select {
	case b := <-built:
		if b.Entry != "/main.ts" || b.Modules != 2 || len(b.Errors) > 0 {
			t.Errorf("built %+v", b)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was built in 10 s")
	}
	if r, body := get(t, s, "/main.ts", module...); r.StatusCode != 200 || body == "" {
		t.Errorf("got %s", r.Status)
	}
	if len(built) > 0 {
		t.Errorf("built again: %+v", <-built)
	}
}
