"""Many requests: a ledger of what became of each, and the workers that make them.

``Ledger.open(folder, "who I am")`` is a folder's one writer; ``LocalCrew`` runs a job ``module:Class`` in processes;
``Driver(ledger, crew).run()`` hands out what is due and yields what is finished. An owner with a loop of its own asks
``crew.idle()``, takes ``ledger.claim(worker)``, gives ``crew.give(worker, Task(…))``, hears ``crew.wait(seconds)`` and
writes ``ledger.record([outcome_of_event(number, event.data, folder)])``. Nothing here imports torch, only the job in
its process.
"""
