class Log
{
    public void Write(string text)
    {
        writer.WriteLine(text);
    }

    public void Write(Exception error, bool loudly)
    {
        if (loudly) Console.Beep();
        writer.WriteLine(error.Message);
    }
}
