package reload

import (
	"compress/gzip"
	"errors"
	"io"
	"iter"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// A page that a handler compressed, though it was asked not to, is sent decoded: it goes over
// loopback. The decoder runs as a coroutine of the handler's writes, so that all that can be
// known of a piece has been passed on when Write returns. Nothing waits for anything, and a flush
// of the handler's brings the same to the browser as it would without us.

// codings are the decoders by Content-Encoding. What they keep of a body is their window, at most 16 MiB (brotli).
var codings = map[string]func(io.Reader) (io.Reader, error){
	"gzip":   gunzip,
	"x-gzip": gunzip,
	"br":     func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
	"zstd": func(r io.Reader) (io.Reader, error) {
		// One at a time means without goroutines. The window is what https://www.rfc-editor.org/rfc/rfc9659 allows.
		return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20))
	},
}

func gunzip(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }

// A decoding undoes a content coding: what is written to it goes on decoded.
type decoding struct {
	resume func() (struct{}, bool) // runs the decoder until it needs more of the body
	stop   func()                  // ends it where it is; to be called in any case
	yield  func(struct{}) bool     // the decoder's side of resume

	in    []byte // written and not yet read by the decoder
	begun bool   // there was a first byte
	last  bool   // nothing follows in
	ended bool   // by the end of the body, or by err
	err   error
}

// newDecoding returns a decoding by open, one of codings, that writes to w.
func newDecoding(open func(io.Reader) (io.Reader, error), w io.Writer) *decoding {
	d := &decoding{}
	d.resume, d.stop = iter.Pull(func(yield func(struct{}) bool) {
		d.yield = yield
		d.err = d.run(open, w)
		d.ended = true
	})
	return d
}

func (d *decoding) run(open func(io.Reader) (io.Reader, error), w io.Writer) error {
	r, err := open(d)
	if err == io.EOF {
		return io.ErrUnexpectedEOF // within a header
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	if errors.Is(err, gzip.ErrHeader) {
		return nil // after the end: browsers, too, overlook what is no second member
	}
	return err
}

var errStopped = errors.New("reload: decoding stopped")

// Read is the decoder's: it takes what was written, and waits for more.
func (d *decoding) Read(b []byte) (int, error) {
	for len(d.in) == 0 {
		if d.last {
			return 0, io.EOF
		}
		if !d.yield(struct{}{}) {
			return 0, errStopped
		}
	}
	n := copy(b, d.in)
	d.in = d.in[n:]
	return n, nil
}

// Write decodes b, and passes on all that this makes known. It does not keep b.
func (d *decoding) Write(b []byte) (int, error) {
	if len(b) > 0 && !d.ended {
		d.begun = true
		d.in = b
		d.resume()
		d.in = nil
	}
	if d.err != nil {
		return 0, d.err
	}
	return len(b), nil
}

// end says that the body ends here, and returns [io.ErrUnexpectedEOF] if it should not. A body of
// no bytes at all is an answer that has none, as that to HEAD.
func (d *decoding) end() error {
	if d.begun && !d.ended {
		d.last = true
		d.resume()
	}
	return d.err
}
