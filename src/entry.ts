/** The process that a person or an engine starts: binds it to the command line's functions. */

import { processCaller } from './caller.ts';
import { serve } from './main.ts';

serve(process.argv.slice(2), processCaller()).then((status) => {
  process.exitCode = status;
});
