// A rival for the HTTP figures: JSON values in a map behind a lock, over net/http, as one would write it on an afternoon.
//
// GET /get/{key} answers the value with the headers that Jackdaw's answer has (net/http adds Date and Content-Length);
// POST /set takes a JSON object of pairs. The one argument is the address to listen on.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
)

type store struct {
	mutex  sync.RWMutex
	values map[string][]byte
}

func (s *store) get(response http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodGet {
		http.Error(response, "use GET", http.StatusMethodNotAllowed)
		return
	}
	key := strings.TrimPrefix(request.URL.Path, "/get/")
	s.mutex.RLock()
	value, found := s.values[key]
	s.mutex.RUnlock()
	header := response.Header()
	header.Set("Vary", "accept")
	header.Set("Content-Type", "application/json; charset=utf-8")
	if !found {
		response.WriteHeader(http.StatusNotFound)
		value = []byte(`{"error":{"code":"KEY_NOT_FOUND","message":"no such key"}}`)
	}
	response.Write(value)
}

func (s *store) set(response http.ResponseWriter, request *http.Request) {
	if request.Method != http.MethodPost {
		http.Error(response, "use POST", http.StatusMethodNotAllowed)
		return
	}
	var pairs map[string]json.RawMessage
	if err := json.NewDecoder(request.Body).Decode(&pairs); err != nil {
		http.Error(response, err.Error(), http.StatusBadRequest)
		return
	}
	s.mutex.Lock()
	for key, value := range pairs {
		s.values[key] = value
	}
	s.mutex.Unlock()
	response.Header().Set("Content-Type", "application/json; charset=utf-8")
	response.Write([]byte(`{"set":` + strconv.Itoa(len(pairs)) + `}`))
}

func main() {
	s := &store{values: map[string][]byte{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/get/", s.get)
	mux.HandleFunc("/set", s.set)
	log.Fatal(http.ListenAndServe(os.Args[1], mux))
}
