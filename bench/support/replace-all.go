// Reads a log line by line and replaces every secret in every line, one after the other, as OpsLevel Runner does.
// Arguments: the log, the secrets (a JSON list), rounds. Prints a JSON list of seconds a round.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	log, err := os.ReadFile(os.Args[1])
	check(err)
	text, err := os.ReadFile(os.Args[2])
	check(err)
	var secrets []string
	check(json.Unmarshal(text, &secrets))
	rounds, err := strconv.Atoi(os.Args[3])
	check(err)
	seconds := []float64{}
	for round := 0; round < rounds; round++ {
		began := time.Now()
		out := bufio.NewWriterSize(io.Discard, 64*1024)
		lines := bufio.NewScanner(bytes.NewReader(log))
		lines.Buffer(make([]byte, 0, 64*1024), 1024*1024)
		for lines.Scan() {
			line := lines.Text()
			for _, secret := range secrets {
				line = strings.ReplaceAll(line, secret, "***")
			}
			out.WriteString(line)
			out.WriteByte('\n')
		}
		check(lines.Err())
		check(out.Flush())
		seconds = append(seconds, time.Since(began).Seconds())
	}
	check(json.NewEncoder(os.Stdout).Encode(seconds))
}
