package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"sync"
	"unicode/utf8"

	"github.com/nullcard/nullcard/supervisor"
)

// logTime is RFC 3339 in UTC with milliseconds, always 24 characters.
const logTime = "2006-01-02T15:04:05.000Z"

// output writes nullcard's own log and its children's lines, each line with
// one write so that lines never mix. Children keep their stream; nullcard's
// own lines go to standard error.
type output struct {
	mu       sync.Mutex
	out, err io.Writer
	json     bool
	buf      []byte
}

func newOutput(std stdio, format string) *output {
	return &output{out: std.out, err: std.err, json: format == "json"}
}

// logger returns the logger for nullcard itself.
func (o *output) logger() *slog.Logger {
	opts := &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		switch {
		case len(groups) == 0 && a.Key == slog.TimeKey:
			a.Value = slog.StringValue(a.Value.Time().UTC().Format(logTime))
		case a.Value.Kind() == slog.KindDuration: // JSON would have nanoseconds
			a.Value = slog.StringValue(a.Value.Duration().String())
		}
		return a
	}}
	if o.json {
		return slog.New(slog.NewJSONHandler(lockedWriter{o}, opts))
	}
	return slog.New(slog.NewTextHandler(lockedWriter{o}, opts))
}

// lockedWriter is standard error, shared with the children's lines.
type lockedWriter struct{ o *output }

func (w lockedWriter) Write(p []byte) (int, error) {
	w.o.mu.Lock()
	defer w.o.mu.Unlock()
	return w.o.err.Write(p)
}

// line writes one line of a child.
func (o *output) line(l supervisor.Line) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.buf[:0]
	if o.json {
		b = appendJSONLine(b, l)
	} else {
		b = l.Time.UTC().AppendFormat(b, logTime)
		b = append(b, ' ')
		b = append(b, l.Process...)
		b = append(b, ' ')
		b = append(b, l.Stream...)
		b = append(b, "| "...)
		b = append(b, l.Text...)
	}
	b = append(b, '\n')
	w := o.out
	if l.Stream == "stderr" {
		w = o.err
	}
	w.Write(b) // a reader that is gone must not stop the children
	if cap(b) < 1<<20 {
		o.buf = b
	}
}

// appendJSONLine writes text that is not UTF-8 as bytes (base64), so that
// nothing is lost.
func appendJSONLine(b []byte, l supervisor.Line) []byte {
	line := struct {
		Time    string `json:"time"`
		Process string `json:"process"`
		Stream  string `json:"stream"`
		Text    string `json:"line,omitempty"`
		Bytes   []byte `json:"line_base64,omitempty"`
	}{Time: l.Time.UTC().Format(logTime), Process: l.Process, Stream: l.Stream}
	if utf8.Valid(l.Text) {
		line.Text = string(l.Text)
	} else {
		line.Bytes = l.Text
	}
	var j bytes.Buffer
	e := json.NewEncoder(&j)
	e.SetEscapeHTML(false)
	if err := e.Encode(line); err != nil { // a struct of strings always has a form
		panic(err)
	}
	return append(b, bytes.TrimSuffix(j.Bytes(), []byte("\n"))...)
}
