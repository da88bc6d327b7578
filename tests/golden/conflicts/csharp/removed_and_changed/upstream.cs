class Log
{
    public void Flush() => writer.Flush();
}
