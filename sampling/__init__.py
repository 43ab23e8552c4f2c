"""What runs while the host samples.

    hooks           when guidance acts           run         what is kept for a run
    self_attention  what it computes: the seam   run_log     the line that says what was done, and whether it warns
    guidance        what that is worth           sentences   what such a line is made of
    branch          which prompt is read         masks       what the preview shows of a run
    recorder        what is noted meanwhile      page        what the page is told
    layers          which attention is read      schedule    the host's own schedules
    settings        what a user sets             cpu_copy    from the GPU to the CPU without a wait
    post_cfg        what the host hands over     host        every difference between the host's versions
                    after CFG                    host_types  the host's dicts, by name
"""
