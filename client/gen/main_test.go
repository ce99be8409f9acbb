package main

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDistIsCurrent rebuilds what is committed.
func TestDistIsCurrent(t *testing.T) {
	for _, b := range bundles {
		want, err := b.build("..")
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("..", b.out))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("client/%s is not what client/%s makes: run go generate ./client", b.out, b.in)
		}
	}
}

// TestSize keeps the client small: every page of a site under development loads it.
func TestSize(t *testing.T) {
	const limit = 15_000
	var z bytes.Buffer
	w, err := gzip.NewWriterLevel(&z, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("../dist/client.js")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(code); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("client.js: %d bytes, %d gzipped", len(code), z.Len())
	if z.Len() > limit {
		t.Errorf("client.js is %d bytes gzipped, more than %d", z.Len(), limit)
	}
}

// TestPlaceholders: the server fills them in, and programs look for the token as it stands here.
func TestPlaceholders(t *testing.T) {
	code, err := os.ReadFile("../dist/client.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`token: "__DEVSERVE_TOKEN__"`, `base: "__DEVSERVE_BASE__"`} {
		if strings.Count(string(code), want) != 1 {
			t.Errorf("client.js has not exactly one %s", want)
		}
	}
}
