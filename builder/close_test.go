package builder

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/tools/txtar"
)

// TestCloseEndsBuild closes while a page waits for more modules than are compiled at once.
func TestCloseEndsBuild(t *testing.T) {
	a := &txtar.Archive{}
	var all string
	for i := range 10 * wave {
		all += fmt.Sprintf("import \"./m%d\"\n", i)
		a.Files = append(a.Files, txtar.File{Name: fmt.Sprintf("m%d.ts", i), Data: []byte("export {}\n")})
	}
	a.Files = append(a.Files, txtar.File{Name: "main.ts", Data: []byte(all)})
	closed := make(chan error, 1)
	var s *site
	s = newSite(t, a, Options{OnProgress: func(compiled, found int) {
		if compiled == 1 {
			go func() { closed <- s.b.Close() }()
			for !s.b.closing.Load() {
			}
		}
		if compiled > 1+wave {
			t.Errorf("%d modules were compiled", compiled)
		}
	}})
	if _, err := s.b.Script(context.Background(), "main.ts"); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}
