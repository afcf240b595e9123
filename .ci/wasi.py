"""Runs a program of wasm32-wasip2 under wasmtime, as cargo's runner: wasi.py PROGRAM ARGUMENT..."""

import sys

from wasmtime import Engine, Store, WasiConfig
from wasmtime.component import Component, Linker

program, *arguments = sys.argv[1:]
engine = Engine()
linker = Linker(engine)
linker.add_wasip2()
config = WasiConfig()
config.argv = [program, *arguments]
config.inherit_env()
config.inherit_stdout()
config.inherit_stderr()
# Tests read files beside their sources, by whole paths.
config.preopen_dir("/", "/")
store = Store(engine)
store.set_wasi(config)
instance = linker.instantiate(store, Component.from_file(engine, program))
# The interface's version is that of the standard library that the program was built with.
interfaces = (instance.get_export_index(store, f"wasi:cli/run@0.2.{patch}") for patch in range(32))
interface = next(index for index in interfaces if index)
run = instance.get_func(store, instance.get_export_index(store, "run", interface))
# A panic, and an exit with another status than 0, are exceptions.
sys.exit(0 if run(store).tag == "ok" else 1)
