module jackdaw-bench/go-http

go 1.19
