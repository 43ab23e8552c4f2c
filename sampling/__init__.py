"""What runs while the host samples.

    hooks           when guidance acts           run         what is kept for one run
    self_attention  how guidance is computed     run_log     the line that says what was done, and if it is a warning
    guidance        guidance of one evaluation   sentences   every sentence of such a line
    branch          which prompt is read         masks       what the preview shows of a run
    recorder        what the UNet's run leaves   page        what the page is told
    layers          which attention is read      foreign     attention that is not the host's, left in place
    settings        what a user sets             schedule    the host's own schedules
    post_cfg        what the host hands over     cpu_copy    copies from the GPU to the CPU that do not wait
                    after CFG                    host        every difference between the host's versions
                                                 host_types  the host's dicts, by name
"""
